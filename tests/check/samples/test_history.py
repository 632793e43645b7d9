"""Change points in series whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from commscope.check.samples.history import change_points, history
from commscope.check.samples.snapshot import snapshot
from tests.analyses import make_analysis


def series(*parts: tuple[int, float], sd: float = 0.01, seed: int = 0) -> list[float]:
    random = np.random.default_rng(seed)
    return [float(x) for n, mean in parts for x in mean * (1 + sd * random.standard_normal(n))]


def test_a_step_of_eight_per_cent_is_found_where_it_is() -> None:
    assert change_points(series((20, 100.0), (20, 108.0))) == [20]


def test_two_steps_are_found() -> None:
    assert change_points(series((15, 100.0), (15, 110.0), (15, 104.0))) == [15, 30]


def test_three_per_cent_are_found_near_where_they_are() -> None:
    found = [change_points(series((12, 100.0), (18, 103.0), seed=seed)) for seed in range(20)]
    assert sum(len(places) == 1 and abs(places[0] - 12) <= 1 for places in found) >= 17


@pytest.mark.parametrize("runs", [20, 40, 100])
def test_noise_alone_has_no_change_points(runs: int) -> None:
    alarms = sum(bool(change_points(series((runs, 100.0), sd=0.012, seed=seed))) for seed in range(100))
    assert alarms <= 2


def test_a_few_slow_runs_are_no_change() -> None:
    values = series((40, 100.0), sd=0.012)
    for place in (3, 17, 31):
        values[place] *= 1.3
    assert change_points(values) == []


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
