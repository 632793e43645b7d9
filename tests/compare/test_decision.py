"""The rule for times: on paper, and how often it is wrong in simulated runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.check_power import Noise, step_rates, straggler_rates
from commscope.compare.decision import (
    Decision,
    Rule,
    Sample,
    corroborated,
    decide,
    mad,
    p_value,
)


def of(*values: float, spread: float | None = None) -> Sample:
    return Sample(tuple(values), spread)


def test_the_budget_is_kept_by_the_median_of_runs() -> None:
    assert decide(of(100, 100, 100), of(103, 103, 103), Rule(3)).direction == 0
    slower = decide(of(100, 100, 100), of(104, 103.5, 200), Rule(3))
    assert slower.direction == 1
    assert decide(of(100, 100, 100), of(96, 96, 96), Rule(3)).direction == -1


def test_three_deviations_of_either_side_widen_the_budget() -> None:
    assert mad((98, 100, 103)) == 2
    assert decide(of(98, 100, 103), of(105, 105, 105), Rule(3)).allowed == 6
    assert decide(of(105, 105, 105), of(98, 100, 103), Rule(3)).allowed == 6


def test_values_around_zero_scatter_all_the_same() -> None:
    assert decide(of(-2, 0, 1), of(2, 2, 2), Rule(1)).allowed == 3
    assert decide(of(0), of(9), Rule(1, scale=100)).allowed == 10


def test_overlapping_ranges_are_not_apart() -> None:
    assert decide(of(100, 100, 100, 110), of(108, 108, 108), Rule(3)).direction == 0


def test_few_runs_need_ten_per_cent_and_are_never_sure() -> None:
    assert decide(of(100), of(109), Rule(3)).direction == 0
    few = decide(of(100), of(111), Rule(3))
    assert (few.direction, few.is_sure) == (1, False)
    assert decide(of(100, spread=0.2), of(115), Rule(3)).direction == 0


def test_runs_that_scatter_are_not_sure_though_they_are_apart() -> None:
    scattered = decide(of(80, 100, 101), of(120, 150, 160), Rule(3))
    assert scattered.direction == 1
    assert scattered.doubt == "runs differ among themselves too much to be sure"


@pytest.mark.parametrize(
    ("t", "freedom", "tail"),
    [
        (6.965, 2, 0.01),
        (3.747, 4, 0.01),
        (7.173, 4, 0.001),
        (2.764, 10, 0.01),
    ],
)
def test_tails_of_student_s_t_are_those_of_the_tables(t: float, freedom: int, tail: float) -> None:
    """Two sides of n runs -1, 0, ..., 0, 1: the variance of each is 2 / (n - 1), and t = apart / error."""
    n = freedom // 2 + 1
    runs = (-1.0, *[0.0] * (n - 2), 1.0)
    apart = t * (2 / (n - 1) * 2 / n) ** 0.5
    assert p_value(runs, [run + apart for run in runs]) == pytest.approx(tail, rel=2e-3)


def test_many_questions_share_the_one_per_cent() -> None:
    before, after = of(99, 100, 101), of(105, 106, 107)
    assert p_value(before.values, after.values) == pytest.approx(
        0.000912, rel=2e-3
    )  # t = 6 / sqrt(2/3) = 7.348
    assert decide(before, after, Rule(3, questions=10)).is_sure
    assert not decide(before, after, Rule(3, questions=12)).is_sure


def test_without_noise_only_the_budget_counts() -> None:
    assert decide(of(98, 100, 103), of(105), Rule(3, beyond_noise=False, min_runs=1)).is_sure


def test_what_no_other_measure_of_the_runs_shows_is_not_sure() -> None:
    slower, same = Decision(1, 3), Decision(0, 3)
    assert corroborated(slower, []).is_sure
    assert corroborated(slower, [same, Decision(1, 3)]).is_sure
    for other in (same, Decision(-1, 3), Decision(1, 3, doubt="few runs")):
        assert corroborated(slower, [other]).doubt == "the profiled steps of the same runs do not show it"


@given(st.lists(st.floats(1.0, 1e6), min_size=3, max_size=6), st.floats(0.1, 10))
def test_the_unit_of_time_does_not_matter(values: list[float], factor: float) -> None:
    candidate = tuple(1.2 * value for value in values)
    one = decide(Sample(tuple(values)), Sample(candidate), Rule(0.0))
    scaled = (Sample(tuple(factor * v for v in side)) for side in (values, candidate))
    assert one.direction == decide(*scaled, Rule(0.0)).direction


def test_false_alarms_are_rare_and_eight_per_cent_is_found() -> None:
    noise = Noise()
    assert step_rates((3, 3), 0.0, noise=noise, checks=1500).error <= 0.01
    assert step_rates((3, 3), 0.08, noise=noise, checks=500).error >= 0.90
    assert step_rates((1, 1), 0.0, noise=noise, checks=500).error == 0


def test_a_noisy_machine_raises_no_more_false_alarms() -> None:
    assert step_rates((3, 3), 0.0, noise=Noise(0.10, 0.20, 10), checks=1500).error <= 0.01


def test_no_rank_is_blamed_for_noise_and_a_late_one_is_found() -> None:
    assert straggler_rates((3, 3), 0.0, noise=Noise(), checks=60).error == 0
    assert straggler_rates((3, 3), 0.20, noise=Noise(), checks=20).error >= 0.90
