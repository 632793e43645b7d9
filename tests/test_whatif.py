"""What-if against ground truth: the simulator runs the changed program, the replay predicts it from the old record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.critical_path.run_graph import run_graph
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.errors import IncompleteTrace, UsageProblem
from commscope.figures import whatif_bars
from commscope.readers import open_run, read_rank
from commscope.trace import RunInfo
from commscope.units import format_time
from commscope.whatif import Scale, Scenario, parse_factor, parse_scale, replay, replay_all
from commscope.whatif.network import fixed_parts
from commscope.whatif.replay import replayed
from tests.programs import Recipe, random_programs
from tests.simulate import Comm, Compute, Instruction, Simulation, World, simulate

Programs = dict[int, list[Instruction]]
STYLES = st.sampled_from(["cuda", "gloo"])
SEEDS = st.integers(0, 10_000)


def analysis_of(simulation: Simulation) -> Analysis:
    return join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in simulation.traces()])


def programs_of(seed: int, style: str = "cuda") -> Programs:
    """Random programs whose work divides by four, so that scaled work is whole nanoseconds.

    On gloo no collective runs beside others' work: a wait that did not have to wait leaves no trace there, so
    nobody can know that it would have to, were the collective slower.
    """
    overlapped = style == "cuda" and bool(seed % 2)
    recipe = Recipe(ranks=2 + seed % 3, collectives=7, seed=seed, overlapped=overlapped)
    programs = random_programs(recipe)
    return {
        rank: [replace(one, ns=one.ns // 4 * 4) if isinstance(one, Compute) else one for one in program]
        for rank, program in programs.items()
    }


def predicted(simulation: Simulation, scenario: Scenario) -> int:
    return replay(analysis_of(simulation), scenario, "capture").after_ns


@settings(deadline=None, max_examples=8, derandomize=True)
@given(SEEDS, STYLES)
def test_an_unchanged_replay_reproduces_every_time(seed: int, style: str) -> None:
    analysis = analysis_of(simulate(World(style=style, jitter_ns=2_000), programs_of(seed, style)))
    graph = run_graph(analysis.skeletons, analysis.instances, analysis.clock)
    assert (replayed(graph, graph.weight_ns) == graph.time_ns).all()
    for outcome in replay_all(analysis, Scenario()):
        assert outcome.after_ns == outcome.before_ns
        assert outcome.after == outcome.before


@settings(deadline=None, max_examples=8, derandomize=True)
@given(SEEDS, STYLES)
def test_free_communication_is_predicted_exactly(seed: int, style: str) -> None:
    programs = programs_of(seed, style)
    truth = simulate(World(style=style, transfer=lambda kind, size: 0), programs).makespan_ns
    assert predicted(simulate(World(style=style), programs), Scenario(comm_free=True)) == truth


@settings(deadline=None, max_examples=8, derandomize=True)
@given(SEEDS, STYLES, st.sampled_from([0.5, 2.0]))
def test_slower_and_faster_transfers_are_predicted_exactly(seed: int, style: str, factor: float) -> None:
    programs = programs_of(seed, style)

    def network(kind: str, size: int) -> int:
        return int((10_000 + size) * (factor if kind == "all_gather" else 1))

    truth = simulate(World(style=style, transfer=network), programs).makespan_ns
    scenario = Scenario(scales=(Scale("all_gather", factor),))
    assert predicted(simulate(World(style=style), programs), scenario) == truth


@settings(deadline=None, max_examples=8, derandomize=True)
@given(SEEDS, STYLES, st.sampled_from([0.5, 2.0]))
def test_faster_and_slower_work_of_one_rank_is_predicted_exactly(
    seed: int, style: str, factor: float
) -> None:
    programs = programs_of(seed, style)
    changed = programs | {
        1: [replace(one, ns=int(one.ns * factor)) if isinstance(one, Compute) else one for one in programs[1]]
    }
    truth = simulate(World(style=style), changed).makespan_ns
    scenario = Scenario(scales=(Scale("compute", factor, rank=1),))
    assert predicted(simulate(World(style=style), programs), scenario) == truth


@pytest.mark.parametrize("style", ["cuda", "gloo"])
def test_bandwidth_moves_only_the_part_that_grows_with_bytes(style: str) -> None:
    sizes = (4_096, 40_960, 409_600)
    programs: Programs = {
        rank: [one for size in sizes for one in (Compute(30_000 + rank), Comm(bytes=size))]
        for rank in range(2)
    }
    truth = simulate(World(style=style, transfer=lambda kind, size: 10_000 + size // 2), programs)
    before = simulate(World(style=style), programs)
    assert predicted(before, Scenario(bandwidth=2.0)) == truth.makespan_ns
    truth = simulate(World(style=style, transfer=lambda kind, size: 5_000 + size), programs)
    assert predicted(before, Scenario(latency=0.5)) == truth.makespan_ns


@pytest.mark.parametrize("style", ["cuda", "gloo"])
def test_without_stragglers_the_slow_rank_is_as_fast_as_the_others(style: str) -> None:
    usual: list[Instruction] = [
        one for k in range(5) for one in (Compute(40_000), Comm(bytes=4_096 * (k + 1)), Compute(8_000))
    ]
    slow = [replace(one, ns=3 * one.ns) if isinstance(one, Compute) else one for one in usual]
    before = simulate(World(style=style), {0: usual, 1: usual, 2: slow})
    truth = simulate(World(style=style), {0: usual, 1: usual, 2: usual})
    assert before.makespan_ns > truth.makespan_ns
    assert predicted(before, Scenario(no_stragglers=True)) == truth.makespan_ns


def test_a_delay_of_one_rank_is_removed_by_scaling_its_host() -> None:
    delayed = {
        rank: [one for k in range(4) for one in (Compute(50_000), Comm(bytes=8_192 * (k + 1)))]
        for rank in range(2)
    }
    clean = simulate(World(style="gloo"), delayed)
    late = {**delayed, 1: [Compute(20_000_000, name="aten::sleep"), *delayed[1]]}
    analysis = analysis_of(simulate(World(style="gloo"), late))
    outcome = replay(analysis, Scenario(no_stragglers=True), "capture")
    assert outcome.before_ns == clean.makespan_ns + 20_000_000
    assert outcome.after_ns == clean.makespan_ns


def test_an_outcome_says_what_becomes_critical() -> None:
    programs: Programs = {rank: [Compute(90_000), Comm(bytes=400_000), Compute(9_000)] for rank in range(2)}
    analysis = analysis_of(simulate(World(), programs))
    assert replay(analysis, Scenario(), "capture").becomes_critical == "transfer"
    outcome = replay(analysis, Scenario(comm_free=True), "capture")
    assert outcome.becomes_critical == "compute"
    assert outcome.after.by_kind_ns == {"compute": 99_000}
    assert outcome.ratio == outcome.after_ns / outcome.before_ns


def test_the_figure_says_the_new_time_or_that_nothing_changed() -> None:
    analysis = analysis_of(simulate(World(style="gloo"), programs_of(3, "gloo")))
    same, free = (replay(analysis, one, "capture") for one in (Scenario(), Scenario(comm_free=True)))
    assert " in both; " in whatif_bars.caption(same)
    assert f"would take {format_time(free.after_ns)} instead of {format_time(free.before_ns)};" in (
        whatif_bars.caption(free)
    )


def test_steps_are_replayed_beside_the_capture() -> None:
    analysis = analysis_of(simulate(World(style="gloo"), programs_of(4)))
    windows = [outcome.window for outcome in replay_all(analysis, Scenario(bandwidth=3.0))]
    assert windows == ["capture", "step 0", "step 1"]


def test_phases_scale_their_own_work() -> None:
    analysis = analysis_of(simulate(World(style="gloo"), programs_of(2)))
    outcome = replay(analysis, Scenario(scales=(Scale("forward", 0.5),)), "capture")
    assert outcome.after_ns < outcome.before_ns


def test_a_fixed_part_needs_two_sizes() -> None:
    table = pd.DataFrame(
        {
            "collective": ["all_reduce"] * 3 + ["all_gather"],
            "group_size": pd.array([4] * 4, dtype="Int64"),
            "payload_bytes": pd.array([1_000, 2_000, 2_000, 5_000], dtype="Int64"),
        }
    )
    fixed = fixed_parts(table, np.array([600, 700, 950, 800], dtype=np.int64))
    assert fixed == pytest.approx([500, 500, 500, 0])


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("all_gather=0.5", Scale("all_gather", 0.5)),
        ("compute@rank3=0.8", Scale("compute", 0.8, 3)),
        ("backward@0 = 2x", Scale("backward", 2.0, 0)),
    ],
)
def test_scales_read_as_they_are_written(text: str, scale: Scale) -> None:
    assert parse_scale(text) == scale


@pytest.mark.parametrize("text", ["all_gather", "gather_all=2", "compute@rankx=1", "=2", "compute=-1", ""])
def test_what_cannot_be_read_is_told_with_a_hint(text: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        parse_scale(text)
    assert "expected" in problem.value.hint


@pytest.mark.parametrize(("text", "factor"), [("2x", 2.0), ("0.5", 0.5), (" 3 x ", 3.0)])
def test_factors_read_as_they_are_written(text: str, factor: float) -> None:
    assert parse_factor(text) == factor


@pytest.mark.parametrize("text", ["0", "-1", "fast", ""])
def test_no_factor_is_zero_or_less(text: str) -> None:
    with pytest.raises(UsageProblem):
        parse_factor(text)


def test_an_unknown_window_is_named() -> None:
    analysis = analysis_of(simulate(World(), programs_of(1)))
    with pytest.raises(UsageProblem, match="step 9"):
        replay(analysis, Scenario(), "step 9")


def test_an_analysis_without_graphs_cannot_be_replayed() -> None:
    analysis = replace(analysis_of(simulate(World(), programs_of(1))), skeletons=())
    with pytest.raises(IncompleteTrace):
        replay(analysis, Scenario(), "capture")


def test_real_runs_replay_unchanged_and_less_communication_is_never_slower(real_traces: Path) -> None:
    run = open_run(real_traces / "gloo" / "mcore0161_tp2")
    analysis = join(run.info, [analyze_rank(read_rank(part, run.info)) for part in run.parts])
    for outcome in replay_all(analysis, Scenario()):
        assert outcome.after_ns == outcome.before_ns
    free, faster = (
        replay(analysis, scenario, "capture")
        for scenario in (Scenario(comm_free=True), Scenario(bandwidth=2.0))
    )
    assert free.after_ns < faster.after_ns < free.before_ns
    assert "transfer" not in free.after.by_kind_ns
