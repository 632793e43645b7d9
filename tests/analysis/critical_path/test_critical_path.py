"""The critical path across ranks: as long as the run, without a gap, and on whoever others waited for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.critical_path.path import critical_paths
from commscope.analysis.critical_path.run_graph import run_graph
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis, CriticalPath
from commscope.readers import open_run, read_rank
from commscope.trace import RankTrace, RunInfo
from tests.build import build
from tests.programs import Recipe, random_programs
from tests.simulate import Comm, Compute, Simulation, World, simulate

US = 1_000


def analysis_of(traces: list[RankTrace]) -> Analysis:
    return join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in traces])


def on_one_host(*lines: str, **options: object) -> list[RankTrace]:
    """Hand-made traces whose clocks need no estimate."""
    return [dataclasses.replace(trace, host="here") for trace in build(*lines, **options)]


def capture_of(analysis: Analysis) -> CriticalPath:
    return analysis.critical_paths[0]


def told(path: CriticalPath) -> list[tuple[int, int, str]]:
    """The parts as (us, rank, kind)."""
    return [((part.end_ns - part.start_ns) // US, part.rank, part.kind) for part in path.parts]


def assert_laws(analysis: Analysis) -> None:
    table = analysis.instances
    proved = set(table.loc[table["transfer_ns"].notna(), "instance"])
    for window, path in zip(analysis.windows, analysis.critical_paths, strict=True):
        assert path.window == window.name
        assert path.length_ns == window.span_ns
        assert path.parts[0].start_ns == window.start_ns
        assert path.parts[-1].end_ns == window.end_ns
        assert all(a.end_ns == b.start_ns for a, b in zip(path.parts, path.parts[1:], strict=False))
        for sums in (path.by_kind_ns, path.by_rank_ns, path.by_phase_ns):
            assert sum(sums.values()) == window.span_ns
        talks = path.by_kind_ns.get("transfer", 0) + path.by_kind_ns.get("communication", 0)
        assert sum(path.by_collective_ns.values()) == path.blocking_ns == talks
        assert {part.instance for part in path.parts if part.kind == "transfer"} <= proved
        assert None not in {part.instance for part in path.parts if part.kind == "transfer"}
        assert min(path.slack_ns.values(), default=0) >= 0


def random_run(seed: int, style: str, **changes: object) -> Simulation:
    programs = random_programs(Recipe(ranks=2 + seed % 3, seed=seed, overlapped=bool(seed % 2)))
    return simulate(World(style=style, seed=seed, **changes), programs)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(["cuda", "gloo"]))
def test_the_path_is_as_long_as_the_run_and_its_categories_sum_to_it(seed: int, style: str) -> None:
    simulation = random_run(seed, style)
    analysis = analysis_of(simulation.traces())
    assert_laws(analysis)
    assert capture_of(analysis).length_ns == simulation.makespan_ns


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(["cuda", "gloo"]))
def test_the_laws_hold_with_clock_errors_jitter_and_missing_instances(seed: int, style: str) -> None:
    random = np.random.default_rng(seed)
    ranks = range(2 + seed % 3)
    simulation = random_run(
        seed,
        style,
        jitter_ns=3_000,
        offsets_ns={rank: int(random.integers(-5_000_000, 5_000_000)) for rank in ranks},
        drift_ppm={rank: float(random.uniform(-20, 20)) for rank in ranks},
        dropped=frozenset({(0, 0), (1, int(random.integers(8)))}),
    )
    assert_laws(analysis_of(simulation.traces()))


@settings(deadline=None, max_examples=10, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(["cuda", "gloo"]))
def test_every_recorded_time_follows_from_the_graph(seed: int, style: str) -> None:
    analysis = analysis_of(random_run(seed, style, jitter_ns=2_000, offsets_ns={1: 700_000}).traces())
    graph = run_graph(analysis.skeletons, analysis.instances, analysis.clock)
    target = np.repeat(np.arange(len(graph.time_ns)), np.diff(graph.first_edge))
    reached = np.full(len(graph.time_ns), np.iinfo(np.int64).min)
    np.maximum.at(reached, target, graph.time_ns[graph.source] + graph.weight_ns)
    caused = np.diff(graph.first_edge) > 0
    assert (reached == graph.time_ns)[caused].all()
    assert (~caused).sum() == len(analysis.ranks)


@settings(deadline=None, max_examples=8, derandomize=True)
@given(st.integers(0, 10_000), st.integers(-10_000_000, 10_000_000))
def test_shifting_a_clock_changes_nothing(seed: int, shift_ns: int) -> None:
    straight = capture_of(analysis_of(random_run(seed, "cuda").traces()))
    shifted = capture_of(analysis_of(random_run(seed, "cuda", offsets_ns={1: shift_ns}).traces()))
    assert told(shifted) == told(straight)
    assert shifted.slack_ns == straight.slack_ns


def test_waits_never_lie_on_the_path_and_the_straggler_does() -> None:
    """rank 1 computes 60 while rank 0 computes 10: path = rank 1's 60, the transfer of 20, somebody's 10."""
    traces = on_one_host(
        "r0: compute 0-10 launch=-5 | all_reduce 12-80 issue=-4 launch=-3 | compute 82-92 launch=-1",
        "r1: compute 0-60 launch=-5 | all_reduce 60-80 issue=-4 launch=-3 | compute 82-91 launch=-1",
    )
    path = capture_of(analysis_of(traces))
    assert told(path) == [(60, 1, "compute"), (20, 0, "transfer"), (2, 0, "latency"), (10, 0, "compute")]
    assert path.hand_offs == 1
    assert path.blocking_ns == 20 * US
    assert path.by_collective_ns == {"all_reduce": 20 * US}
    assert path.slack_ns == {0: 0}


def test_a_collective_behind_compute_is_not_blocking_and_has_slack() -> None:
    """The transfer of 20 runs beside compute of 100: it could be 80 later."""
    rank = "compute 0-10 launch=-9 | all_reduce 10-30 issue=-7 launch=-6 async=1 | compute 10-110 launch=-5"
    path = capture_of(analysis_of(on_one_host(f"r0: {rank}", f"r1: {rank}")))
    assert path.by_kind_ns == {"compute": 110 * US}
    assert path.blocking_ns == 0
    assert path.slack_ns == {0: 80 * US}


def test_on_gloo_the_path_crosses_to_the_late_rank_once() -> None:
    traces = on_one_host(
        "r0: compute 0-10 | all_reduce 12-75 issue=10 | compute 77-87",
        "r1: compute 0-50 | all_reduce 55-75 issue=50 | compute 77-86",
        style="gloo",
    )
    path = capture_of(analysis_of(traces))
    assert told(path) == [
        (50, 1, "compute"),
        (5, 1, "latency"),
        (20, 0, "transfer"),
        (2, 0, "host"),
        (10, 0, "compute"),
    ]


def test_nobody_waits_for_the_receivers_of_a_broadcast() -> None:
    """The root comes at 10 and is done at 20; rank 1 comes late, and only its own work explains the end."""
    traces = on_one_host(
        "r0: compute 0-10 launch=-5 | broadcast 10-20 issue=-4 launch=-3 peer=0",
        "r1: compute 0-40 launch=-5 | broadcast 40-45 issue=-4 launch=-3 peer=0 | compute 46-60 launch=-1",
    )
    analysis = analysis_of(traces)
    graph = run_graph(analysis.skeletons, analysis.instances, analysis.clock)
    late = int(np.flatnonzero((analysis.instances["rank"] == 1).to_numpy())[0])
    root = int(np.flatnonzero((analysis.instances["rank"] == 0).to_numpy())[0])
    edges = [
        (int(graph.source[e]), int(np.searchsorted(graph.first_edge, e, side="right") - 1))
        for e in np.flatnonzero(graph.row >= 0)
    ]
    reaches = {target for source, target in edges if source == graph.begin[late]}
    assert int(graph.finish[root]) not in reaches
    assert told(capture_of(analysis))[0] == (40, 1, "compute")


def test_an_end_before_the_last_arrival_is_kept_and_the_path_still_has_no_gap() -> None:
    """By half a microsecond rank 0 seems to have left before rank 1 came."""
    traces = on_one_host(
        "r0: compute 0-10 launch=-5 | all_reduce 10-59.5 issue=-4 launch=-3 | compute 60-80 launch=-1",
        "r1: compute 0-60 launch=-5 | all_reduce 60-70 issue=-4 launch=-3",
    )
    ranks = [analyze_rank(trace) for trace in traces]
    analysis = join(RunInfo("run", Path("run")), ranks)
    instances = analysis.instances.assign(instance=0, start_ns=0)
    instances["instance"] = instances["instance"].astype("Int64")
    (path,) = critical_paths(ranks, instances, None, ranks[0].windows)
    assert path.length_ns == ranks[0].windows[0].span_ns
    assert all(a.end_ns == b.start_ns for a, b in zip(path.parts, path.parts[1:], strict=False))
    assert min(path.slack_ns.values()) >= 0


def test_matches_that_contradict_each_other_are_taken_apart() -> None:
    """Rank 0 ran a, then b; rank 1 b, then a: at most one of the two pairs can be real."""
    traces = on_one_host(
        "r0: compute 0-10 launch=-9 | all_reduce 10-20 issue=-8 | all_gather 30-40 issue=-7",
        "r1: compute 0-10 launch=-9 | all_gather 10-20 issue=-8 | all_reduce 30-40 issue=-7",
    )
    analysis = analysis_of(traces)
    crossed = analysis.instances["collective"].map({"all_reduce": 0, "all_gather": 1}).astype("Int64")
    graph = run_graph(analysis.skeletons, analysis.instances.assign(instance=crossed), None)
    assert graph.broken == 1


def test_an_unmatched_collective_keeps_its_own_duration() -> None:
    traces = on_one_host("r0: compute 0-10 launch=-5 | all_reduce 10-60 issue=-4 launch=-3")
    path = capture_of(analysis_of(traces))
    assert told(path) == [(10, 0, "compute"), (50, 0, "transfer")]
    assert path.slack_ns == {}


def test_steps_have_paths_of_their_own() -> None:
    simulation = simulate(World(), random_programs(Recipe(seed=5)))
    analysis = analysis_of(simulation.traces())
    assert [path.window for path in analysis.critical_paths] == ["capture", "step 0", "step 1"]


def two_steps(mark: int) -> dict[str, CriticalPath]:
    """Both hosts launch ahead; a step ends at `mark`, on rank 0 amid a collective that rank 1 joins at 50."""
    steps = f"step 0-{mark} number=7 | step {mark}-130 number=8"
    traces = on_one_host(
        f"r0: {steps} | compute 1-10 launch=0 | all_reduce 10-100 launch=1 issue=0.5 | compute 101-120 launch=2",
        f"r1: {steps} | compute 1-50 launch=0 | all_reduce 50-100 launch=1 issue=0.5 | compute 101-120 launch=2",
    )
    analysis = analysis_of(traces)
    assert_laws(analysis)
    return {path.window: path for path in analysis.critical_paths}


def test_a_step_that_ends_amid_a_transfer_is_held_back_by_the_rank_that_came_last() -> None:
    path = two_steps(60)["step 7"]
    assert told(path)[-2:] == [(49, 1, "compute"), (10, 0, "transfer")]
    assert path.by_collective_ns == {"all_reduce": 10 * US}
    assert path.hand_offs == 1


def test_a_step_that_ends_while_a_rank_waits_is_held_back_by_the_one_it_waits_for() -> None:
    path = two_steps(40)["step 7"]
    assert told(path)[-1] == (39, 1, "compute")
    assert path.blocking_ns == 0


def test_a_step_that_ends_amid_a_collective_nobody_matched_keeps_it_as_its_own() -> None:
    steps = "step 0-60 number=7 | step 60-130 number=8"
    line = f"r0: {steps} | compute 1-10 launch=0 | all_reduce 10-100 launch=1 issue=0.5 | compute 101-120 launch=2"
    analysis = analysis_of(on_one_host(line))
    path = analysis.critical_paths[1]
    assert told(path)[-2:] == [(9, 0, "compute"), (50, 0, "transfer")]
    assert path.by_collective_ns == {"all_reduce": 50 * US}


def test_two_processes_of_a_run_that_share_nothing_are_no_obstacle() -> None:
    traces = simulate(World(), {0: [Compute(9_000)], 1: [Compute(70_000), Compute(9_000)]}).traces()
    path = capture_of(analysis_of([dataclasses.replace(trace, host="here") for trace in traces]))
    assert told(path) == [(79, 1, "compute")]


def test_rank_order_changes_nothing() -> None:
    traces = random_run(8, "gloo").traces()
    assert told(capture_of(analysis_of(traces))) == told(capture_of(analysis_of(traces[::-1])))


def test_a_comm_without_members_elsewhere_does_not_end_the_walk() -> None:
    traces = simulate(World(), {0: [Comm(), Compute(10_000)], 1: [Comm(), Compute(4_000)]}).traces()[:1]
    assert capture_of(analysis_of(traces)).length_ns == 24_096


def real(folder: Path) -> Analysis:
    run = open_run(folder)
    return join(run.info, [analyze_rank(read_rank(part, run.info)) for part in run.parts])


def test_the_host_not_the_network_holds_megatron_back(real_traces: Path) -> None:
    analysis = real(real_traces / "megatron_tp8_a100")
    assert_laws(analysis)
    path = capture_of(analysis)
    assert path.by_kind_ns["host"] > 0.9 * path.length_ns
    assert path.blocking_ns < 0.01 * path.length_ns


@pytest.mark.parametrize(
    "run",
    [
        "dlrm_8rank_v100",
        "torchrec_opt4_4rank",
        "gloo/mcore0161_sp2_full",
        "gloo/colls",
        "gloo/picotron_tp2_dp2",
    ],
)
def test_the_laws_hold_on_real_runs(real_traces: Path, run: str) -> None:
    assert_laws(real(real_traces / run))
