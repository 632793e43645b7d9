"""Skeletons: recorded times replay exactly, sizes follow collectives, gaps are called by their cause."""

from __future__ import annotations

import dataclasses
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.rank import analyze_rank, attribute
from commscope.analysis.result import Skeleton
from commscope.analysis.skeleton.build import build_skeleton
from commscope.trace import RankTrace, SyncFacts
from tests.build import build
from tests.programs import Recipe, random_programs
from tests.simulate import Comm, Compute, Host, Sync, Wait, World, simulate

US = 1_000
EPOCH_NS = 1_700_000_000_000_000_000


def skeleton_of(trace: RankTrace) -> Skeleton:
    skeleton = analyze_rank(trace).skeleton
    assert skeleton is not None
    return skeleton


def replays(skeleton: Skeleton) -> bool:
    """Every node happens at the latest of source + weight; only the root has no reason."""
    reached = np.full(len(skeleton.time_ns), np.iinfo(np.int64).min)
    np.maximum.at(
        reached, skeleton.edge_target, skeleton.time_ns[skeleton.edge_source] + skeleton.edge_weight_ns
    )
    caused = np.zeros(len(reached), dtype=bool)
    caused[skeleton.edge_target] = True
    return bool((reached == skeleton.time_ns)[caused].all()) and int((~caused).sum()) == 1


def path_to(skeleton: Skeleton, node: int) -> list[tuple[int, str]]:
    """Lengths in us and kinds on the way from the root to a node, along edges that explain recorded times."""
    pieces: list[tuple[int, str]] = []
    while True:
        into = np.flatnonzero(skeleton.edge_target == node)
        tight = [
            e
            for e in into
            if skeleton.time_ns[skeleton.edge_source[e]] + skeleton.edge_weight_ns[e]
            == skeleton.time_ns[node]
        ]
        if not tight:
            runs = groupby(reversed(pieces), key=lambda piece: piece[1])
            merged = [(sum(us for us, _ in run), kind) for kind, run in runs]
            return [piece for piece in merged if piece[0]]
        edge = tight[0]
        kind = skeleton.segments[skeleton.edge_segment[edge]][0]
        pieces.append((int(skeleton.edge_weight_ns[edge]) // US, kind))
        node = int(skeleton.edge_source[edge])


def end_of_capture(skeleton: Skeleton) -> int:
    (end,) = (end for name, _, end in skeleton.marks if name == "capture")
    return end


def path_of(line: str) -> list[tuple[int, str]]:
    """Lengths in us and kinds on the way to the end of one rank's capture."""
    skeleton = skeleton_of(build(line)[0])
    return path_to(skeleton, end_of_capture(skeleton))


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(["cuda", "gloo"]), st.booleans())
def test_recorded_times_replay_exactly(seed: int, style: str, overlapped: bool) -> None:
    programs = random_programs(Recipe(ranks=2, seed=seed, overlapped=overlapped))
    for trace in simulate(World(style=style), programs).traces():
        skeleton = skeleton_of(trace)
        assert replays(skeleton)
        assert (skeleton.edge_weight_ns >= 0).all()
        assert (skeleton.edge_source < skeleton.edge_target).all()


@pytest.mark.parametrize("style", ["cuda", "gloo"])
def test_a_skeleton_holds_start_and_end_of_every_collective(style: str) -> None:
    simulation = simulate(World(style=style), random_programs(Recipe(ranks=2, seed=3)))
    skeleton = skeleton_of(simulation.traces()[0])
    for is_end, truth in ((False, simulation.starts_ns), (True, simulation.ends_ns)):
        nodes = np.flatnonzero((skeleton.instance >= 0) & (skeleton.is_end == is_end))
        times = {int(skeleton.instance[n]): int(skeleton.time_ns[n]) - EPOCH_NS for n in nodes}
        assert times == {k: time for (rank, k), time in truth.items() if rank == 0}


@pytest.mark.parametrize("style", ["cuda", "gloo"])
def test_a_skeleton_grows_with_collectives_not_with_kernels(style: str) -> None:
    def size(kernels: int) -> int:
        program = [*[Compute(5_000)] * kernels, Comm(), *[Compute(5_000)] * kernels, Comm(bytes=8192)]
        trace = simulate(World(style=style), {0: program, 1: program}).traces()[0]
        return len(skeleton_of(trace).edge_weight_ns)

    assert size(200) <= size(20) + 8


def test_time_is_called_by_its_cause_where_the_host_is_late() -> None:
    (trace,) = build("r0: compute 0-10 launch=-5 | compute 100-130 launch=90")
    skeleton = skeleton_of(trace)
    assert path_to(skeleton, end_of_capture(skeleton)) == [(95, "host"), (10, "latency"), (30, "compute")]


def test_a_kernel_that_begins_as_a_later_one_ends_was_held_by_it() -> None:
    """The gather was launched before the matrix product, whose work left it no room: no event tells so."""
    late = path_of(
        "r0: compute 0-3000 launch=-3 | all_gather 3002-6000 launch=-4 | compute 6001-6500 launch=-1"
    )
    assert [piece for piece in late if piece[1] == "idle"] == []
    assert sum(us for us, kind in late if kind == "compute") == 3_499
    apart = path_of("r0: compute 0-2000 launch=-3 | all_gather 3002-6000 launch=-4")
    assert [piece for piece in apart if piece[0] > 100] == [(3_006, "idle"), (2_998, "transfer")]


def test_time_is_called_by_its_cause_where_the_device_is_the_bottleneck() -> None:
    (trace,) = build("r0: compute 0-100 launch=-5 | compute 103-130 launch=0 | copy 130-150 launch=1")
    skeleton = skeleton_of(trace)
    assert path_to(skeleton, end_of_capture(skeleton)) == [
        (8, "latency"),
        (127, "compute"),
        (20, "copy"),
    ]


def test_a_host_that_waits_for_the_device_is_not_called_busy() -> None:
    (trace,) = build(
        "r0: compute 0-100 launch=-5 | runtime:cudaDeviceSynchronize 2-104 | compute 120-130 launch=115"
    )
    skeleton = skeleton_of(trace)
    kinds = dict.fromkeys(kind for _, kind in path_to(skeleton, end_of_capture(skeleton)))
    on_path = {
        kind: sum(us for us, k in path_to(skeleton, end_of_capture(skeleton)) if k == kind) for kind in kinds
    }
    assert on_path == {"latency": 5 + 4 + 5, "compute": 110, "host": 11}


def test_a_launch_that_takes_long_by_itself_is_host_time() -> None:
    (trace,) = build("r0: host 0-60 | kernel:k 12-14 launch=10 | kernel:l 72-80 launch=70")
    skeleton = skeleton_of(trace)
    assert sum(us for us, kind in path_to(skeleton, end_of_capture(skeleton)) if kind == "host") == 70


def test_a_copy_that_seems_to_end_after_it_was_waited_for_still_held_the_host() -> None:
    pieces = path_of(
        "r0: compute 0-1000 launch=-20 | copy 1001-1016 launch=5 took=1008 | compute 1040-1050 launch=1020"
    )  # the copy's call returns at 1,013, 3 us before the copy ends: the clocks of host and device differ
    assert sum(us for us, kind in pieces if kind == "compute") == 1_010
    assert (15, "copy") in pieces


def test_a_synchronisation_that_seems_to_return_before_its_work_has_ended_waited_for_it() -> None:
    pieces = path_of(
        "r0: compute 0-200 launch=-20 | compute 201-1000 launch=-19 | copy 1001-1003 launch=-18"
        " | runtime:cudaStreamSynchronize -10-998 | compute 1060-1070 launch=1050"
    )
    assert sum(us for us, kind in pieces if kind == "compute") == 200 + 799 + 10
    assert sum(us for us, kind in pieces if kind in {"latency", "idle"}) < 40


def test_a_kernel_begun_before_the_one_ahead_has_ended_follows_its_begin() -> None:
    pieces = path_of("r0: compute 0-40 launch=-9 | compute 42-142 launch=-8 | compute 140-240 launch=-7")
    assert (238, "compute") in pieces


def test_a_device_that_stood_for_no_recorded_reason_was_idle() -> None:
    pieces = path_of("r0: compute 0-40 launch=-9 | compute 45-80 launch=-8 | compute 980-990 launch=-7")
    assert (900, "idle") in pieces
    assert sum(us for us, kind in pieces if kind == "latency") == 9 + 5


def test_branches_of_a_graph_overlap_on_one_stream_and_each_follows_what_had_ended() -> None:
    pieces = path_of(
        "r0: compute 0-40 launch=-9 | compute 40-100 launch=-8 | compute 42-60 launch=-7 | compute 101-110 launch=-6"
    )
    assert (109, "compute") in pieces


def test_work_that_waited_for_a_collective_comes_after_it() -> None:
    (trace,) = build(
        "r0: compute 0-10 launch=-5 | all_reduce 10-60 issue=-3 launch=-2 | runtime:cudaStreamWaitEvent 0-1"
        " | compute 60-80 launch=2"
    )
    skeleton = skeleton_of(trace)
    assert (50, "transfer") in path_to(skeleton, end_of_capture(skeleton))


def test_a_recorded_stream_wait_is_believed() -> None:
    (trace,) = build(
        "r0: compute 0-40 launch=-9 stream=7 | runtime:cudaEventRecord -7--6 | runtime:cudaStreamWaitEvent -5--4"
        " | compute 41-50 launch=-2 stream=9 | compute 60-61 launch=50 stream=9"
    )
    events = trace.events
    by_name = {events.name(row): row for row in range(len(events))}
    correlation = events.correlation.copy()
    correlation[by_name["cudaEventRecord"]], correlation[by_name["cudaStreamWaitEvent"]] = 900, 901
    events = dataclasses.replace(events, correlation=correlation)
    wait = SyncFacts(by_name["cudaStreamWaitEvent"], stream=9, wait_on_stream=7, wait_on_correlation=900)
    trace = dataclasses.replace(trace, events=events, syncs=(wait,))
    attribution, instances = attribute(trace)
    skeleton = build_skeleton(trace, attribution, instances)
    assert skeleton is not None
    assert replays(skeleton)


def test_kernels_that_seem_to_start_before_their_launch_still_follow_their_host() -> None:
    """The host's clock is 20 us ahead of the device's."""
    (trace,) = build("r0: compute 0-10 launch=15 | compute 100-110 launch=115 | compute 300-310 launch=315")
    skeleton = skeleton_of(trace)
    assert replays(skeleton)
    kinds = path_to(skeleton, end_of_capture(skeleton))
    assert sum(us for us, kind in kinds if kind == "host") == 300


def test_work_that_seems_to_end_after_the_host_waited_for_it_still_held_the_host() -> None:
    """The host's clock is 3 us behind the device's: the call returns at 101, the work ends at 103."""
    (trace,) = build(
        "r0: compute 3-103 launch=-5 | runtime:cudaDeviceSynchronize 2-101 | compute 123-133 launch=112"
    )
    skeleton = skeleton_of(trace)
    assert replays(skeleton)
    kinds = path_to(skeleton, end_of_capture(skeleton))
    assert sum(us for us, kind in kinds if kind == "compute") == 110


def test_a_backward_on_a_thread_of_its_own_follows_the_main_thread() -> None:
    (trace,) = build(
        "r0: compute 0-10 launch=-5 | op:autograd::engine::evaluate_function:_X 40-80 thread=autograd"
        " | compute 55-60 launch=50 thread=autograd | compute 105-110 launch=100"
    )
    skeleton = skeleton_of(trace)
    path = path_to(skeleton, end_of_capture(skeleton))
    assert path == [(105, "host"), (5, "latency"), (5, "compute")]


def test_gloo_time_is_compute_waiting_and_wake_up() -> None:
    """rank 0 computes 10, issues, waits for 12-30, and goes on 2 us after the collective has ended."""
    traces = build(
        "r0: compute 0-10 | all_reduce 12-30 issue=10 | compute 32-40",
        "r1: compute 0-10 | all_reduce 12-30 issue=10 | compute 32-40",
        style="gloo",
    )
    skeleton = skeleton_of(traces[0])
    assert path_to(skeleton, end_of_capture(skeleton)) == [
        (10, "compute"),
        (2, "latency"),
        (18, "transfer"),
        (2, "host"),
        (8, "compute"),
    ]


WAIT = "op:_c10d_functional::wait_tensor"


@pytest.mark.parametrize(
    "later",
    [
        "",
        f" | all_reduce 31-50 issue=11 async=1 | {WAIT} 34-52",  # touches the wait before it: one blocked interval
    ],
)
def test_a_wait_that_copies_once_its_work_has_ended_was_waiting_until_then(later: str) -> None:
    """As DTensor's: work 12-30, waited for 14-34, the last 3 of it a copy; nothing but 30-34 is host."""
    line = (
        f"r0: compute 0-10 | all_reduce 12-30 issue=10 async=1 | {WAIT} 14-34 | op:aten::copy_ 31-34{later}"
    )
    (trace,) = build(f"{line} | compute 56-60", style="gloo")
    skeleton = skeleton_of(trace)
    path = path_to(skeleton, end_of_capture(skeleton))
    assert path[:3] == [(10, "compute"), (2, "latency"), (18, "transfer")]
    assert replays(skeleton)


def test_phases_and_layers_stand_on_the_pieces() -> None:
    (trace,) = build(
        "r0: phase:forward 0-20 | layer:0 0-10 | compute 0-10 | layer:1 10-20 | compute 10-20"
        " | phase:optimizer 20-30 | compute 20-30",
        style="gloo",
    )
    skeleton = skeleton_of(trace)
    compute = {segment[1:] for segment in skeleton.segments if segment[0] == "compute"}
    assert compute == {("forward", 0), ("forward", 1), ("optimizer", None)}


def test_a_layer_may_bear_any_number() -> None:
    (trace,) = build(
        "r0: layer:999999999 0-20 | compute 5-15 launch=2 | layer:1 30-50 | compute 40-45 launch=32"
    )
    skeleton = skeleton_of(trace)
    assert {("compute", None, 999_999_999), ("compute", None, 1)} <= {
        (kind, None, layer) for kind, _, layer in skeleton.segments
    }


@pytest.mark.parametrize(
    "mark", ["layer:99999999999", "layer:" + 5_000 * "9", "microbatch:99999999999", "mark:layers.99999999999"]
)
def test_a_number_too_large_to_be_one_is_no_layer(mark: str) -> None:
    (trace,) = build(f"r0: {mark} 0-20 | compute 5-15 launch=2")
    assert {layer for _, _, layer in skeleton_of(trace).segments} == {None}


def test_shuffling_nothing_but_the_order_of_equal_events_changes_nothing() -> None:
    program = [Compute(10_000), Comm(), Wait(), Host(4_000), Compute(7_000), Sync()]
    one, other = (
        simulate(World(), dict(ranks)).traces()[0]
        for ranks in (((0, program), (1, program)), ((1, program), (0, program)))
    )
    assert sorted(skeleton_of(one).time_ns) == sorted(skeleton_of(other).time_ns)


def test_a_rank_that_did_nothing_has_no_skeleton() -> None:
    (trace,) = build("r0: mark:hello 0-10", style="gloo")
    attribution, instances = attribute(trace)
    assert build_skeleton(trace, attribution, instances) is None


@pytest.mark.parametrize("style", ["cuda", "gloo"])
def test_events_that_end_before_they_start_take_no_time_and_break_nothing(style: str) -> None:
    trace = simulate(World(style=style), random_programs(Recipe(ranks=2, seed=3))).traces()[0]
    start, end = trace.events.start_ns, trace.events.end_ns.copy()
    end[::3] = start[::3] - 5
    turned = dataclasses.replace(trace, events=dataclasses.replace(trace.events, end_ns=end))
    analysis = analyze_rank(turned)
    assert (analysis.instances["end_ns"] >= analysis.instances["start_ns"]).all()
    assert replays(skeleton_of(turned))
    attribution, instances = attribute(turned)
    assert build_skeleton(turned, attribution, instances) is not None
