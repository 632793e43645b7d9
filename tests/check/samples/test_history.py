"""Change points in series whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from commscope.check.samples.history import change_points, history
from commscope.check.samples.snapshot import snapshot
from tests.analyses import make_analysis


def naive_best_split(values: list[float], smallest: int = 5) -> int:
    """The energy statistic written as its definition says, for every split."""
    best, place = -1.0, 0
    for k in range(smallest, len(values) - smallest + 1):
        x, y = np.array(values[:k]), np.array(values[k:])
        across = np.abs(x[:, None] - y[None, :]).mean()
        inside = [np.abs(p[:, None] - p[None, :]).sum() / (len(p) * (len(p) - 1)) for p in (x, y)]
        statistic = len(x) * len(y) / len(values) * (2 * across - sum(inside))
        if statistic > best:
            best, place = statistic, k
    return place


def series(*parts: tuple[int, float], sd: float = 0.01, seed: int = 0) -> list[float]:
    random = np.random.default_rng(seed)
    return [float(x) for n, mean in parts for x in mean * (1 + sd * random.standard_normal(n))]


def test_a_step_of_eight_per_cent_is_found_where_it_is() -> None:
    (found,) = change_points(series((20, 100.0), (20, 108.0)))
    assert found[0] == 20
    assert found[1] <= 0.01


def test_two_steps_are_found() -> None:
    places = [place for place, _ in change_points(series((15, 100.0), (15, 110.0), (15, 104.0)))]
    assert places == [15, 30]


@pytest.mark.parametrize("seed", range(3))
def test_the_prefix_sums_find_the_split_of_the_definition(seed: int) -> None:
    values = series((12, 100.0), (18, 103.0), seed=seed)
    found = change_points(values)
    if found:
        assert found[0][0] == naive_best_split(values) or len(found) > 1


def test_noise_alone_has_no_change_points() -> None:
    alarms = sum(bool(change_points(series((40, 100.0), sd=0.012, seed=seed))) for seed in range(30))
    assert alarms <= 2


def test_few_or_constant_values_say_nothing() -> None:
    assert change_points([1.0] * 10 + [2.0] * 9) == []
    assert change_points([5.0] * 50) == []


def test_the_history_of_made_runs_names_the_run_that_changed() -> None:
    paces = [1.0 + 0.001 * (i % 5) for i in range(12)] + [1.2 + 0.001 * (i % 5) for i in range(12)]
    runs = [snapshot(make_analysis(name=f"run{i:02}", pace=(pace,))) for i, pace in enumerate(paces)]
    (step, counts) = history(runs, ("step.time", "collective.count"))
    assert [point.run for point in step.points] == ["run12"]
    assert step.points[0].change == pytest.approx(0.183, abs=2e-3)  # 20 % of the compute in the step
    assert counts.points == ()


def test_a_short_history_says_that_it_is_short() -> None:
    (short,) = history([snapshot(make_analysis(name=f"r{i}")) for i in range(3)], ("step.time",))
    assert short.note == "3 runs; change points need 20"
