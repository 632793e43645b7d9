"""Steps of a replay: they share one row of moments, and taking delays out lengthens none of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.errors import IncompleteTrace, UsageProblem
from commscope.trace import RunInfo
from commscope.whatif import Scale, Scenario, outcome_words, replay_all, scenario_words
from tests.build import build
from tests.programs import Recipe, random_programs
from tests.simulate import Comm, Compute, Host, Instruction, Simulation, Step, World, simulate

MS = 1_000_000
SLEEP_NS = 1_000 * MS


def analysis_of(simulation: Simulation) -> Analysis:
    return join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in simulation.traces()])


def sleeping(ranks: int, place: int, style: str = "gloo") -> Analysis:
    """Three steps of four collectives; rank 1 sleeps a second in each, before the collective `place` (4: last)."""
    programs: dict[int, list[Instruction]] = {}
    for rank in range(ranks):
        program = programs[rank] = []
        for step in range(3):
            program.append(Step(step))
            for k in range(4):
                program += [Host(SLEEP_NS)] * (rank == 1 and k == place)
                program += [Compute(20 * MS + rank * k * 10_000), Comm(bytes=1 << 18)]
            program += [Host(SLEEP_NS)] * (rank == 1 and place == 4)
    return analysis_of(simulate(World(style=style), programs))


@pytest.mark.parametrize("style", ["gloo", "cuda"])
@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("ranks", [2, 4])
def test_a_second_of_sleep_is_taken_out_of_every_step(ranks: int, place: int, style: str) -> None:
    outcomes = replay_all(sleeping(ranks, place, style), Scenario(no_stragglers=True))
    steps = [one for one in outcomes if one.window != "capture"]
    assert len(steps) == 3
    for one in steps if style == "gloo" else steps[:-1]:  # the device is done before the last sleep begins
        assert one.before_ns > 0.9 * SLEEP_NS
        assert one.ratio < 0.1


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(["cuda", "gloo"]), st.booleans())
def test_no_step_is_longer_without_stragglers_and_steps_still_sum_up(
    seed: int, style: str, straggles: bool
) -> None:
    recipe = Recipe(ranks=2 + seed % 3, seed=seed, straggler=1 if straggles else None)
    analysis = analysis_of(simulate(World(style=style, jitter_ns=2_000), random_programs(recipe)))
    capture, *steps = replay_all(analysis, Scenario(no_stragglers=True))
    assert all(one.after_ns <= one.before_ns for one in (capture, *steps))
    for side in ("before", "after"):
        parts = [part for one in steps for part in getattr(one, side).parts]
        assert all(a.end_ns == b.start_ns for a, b in pairwise(parts))


def test_time_that_a_later_step_waits_for_is_gained_by_none() -> None:
    """Rank 0 sleeps at the end of step 0, rank 1 as long before the collective of step 1: either alone gains 0."""
    quick: list[Instruction] = [Compute(10 * MS), Comm(), Compute(10 * MS)]
    programs: dict[int, list[Instruction]] = {
        0: [Step(0), *quick, Host(SLEEP_NS), Step(1), *quick],
        1: [Step(0), *quick, Step(1), Host(SLEEP_NS), *quick],
    }
    analysis = analysis_of(simulate(World(style="gloo"), programs))
    for rank in (0, 1):
        outcomes = replay_all(analysis, Scenario(scales=(Scale("host", 0, rank),)))
        assert [abs(one.before_ns - one.after_ns) < MS for one in outcomes] == [True] * 3


def test_a_rank_the_run_does_not_have_is_refused() -> None:
    with pytest.raises(UsageProblem, match="no rank 99"):
        replay_all(sleeping(2, 0), Scenario(scales=(Scale("compute", 2, 99),)))


def test_one_recorded_rank_of_several_is_refused() -> None:
    [trace] = build("r0: compute 0-10 | all_reduce 10-80 issue=-4")
    alone = join(RunInfo("run", Path("run"), world_size=2), [analyze_rank(trace)])
    for scenario in (Scenario(no_stragglers=True), Scenario(bandwidth=2)):
        with pytest.raises(IncompleteTrace, match="not recorded"):
            replay_all(alone, scenario)


def test_a_rank_that_is_alone_by_nature_scales_and_has_none_to_straggle_behind() -> None:
    [trace] = build("r0: compute 0-10 launch=-1 | compute 10-30 launch=0")
    alone = join(RunInfo("run", Path("run"), world_size=1), [analyze_rank(trace)])
    assert replay_all(alone, Scenario(scales=(Scale("compute", 0.5),)))[0].ratio < 0.6
    with pytest.raises(IncompleteTrace, match="one rank"):
        replay_all(alone, Scenario(no_stragglers=True))


def test_the_sentence_says_scenario_gain_and_place() -> None:
    scenario = Scenario(no_stragglers=True)
    told = outcome_words(replay_all(sleeping(2, 2), scenario)[0], scenario)
    assert told.startswith(
        "Without stragglers, capture would take 244 ms instead of 3.24 s (-92.5 %): 3.00 s less"
    )
    assert "host time on rank 1" in told
    both = Scenario(bandwidth=2, scales=(Scale("compute", 0.5, 1),))
    assert scenario_words(both) == "With bandwidth x 2 and with compute of rank 1 x 0.5"
