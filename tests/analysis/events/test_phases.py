from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.attribution import PHASES, Busy
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank, attribute
from commscope.report.analysis_sections import analysis_sections
from commscope.schema import NO_VALUE, EventKind
from commscope.trace import RankTrace, RunInfo
from tests.build import build
from tests.programs import Recipe, random_programs
from tests.simulate import World, simulate

NODE = "autograd::engine::evaluate_function:"


def phases(trace: RankTrace) -> dict[str, str | None]:
    """Phase of every event by name; names in these tests are unique."""
    attribution, _ = attribute(trace)
    events = trace.events
    codes = attribution.phase.tolist()
    return {events.name(i): (str(PHASES[codes[i]]) if codes[i] >= 0 else None) for i in range(len(events))}


def phases_in(text: str, **options: object) -> dict[str, str | None]:
    (trace,) = build(f"r0: {text}", **options)
    return phases(trace)


PLAIN_STEP = (
    f"step 0-100 | op:aten::linear 5-10 seqnr=4 fwd=0 | op:{NODE} MmBackward0 30-50 | op:MmBackward0 31-49 seqnr=4 fwd=1"
    " | op:aten::mm 32-40 | op:c10d::allreduce_ 55-56 | op:aten::norm 57-58"
    " | mark:Optimizer.step#AdamW.step 60-80 | op:aten::addcdiv 62-63 | op:aten::item 90-91"
)


def test_a_plain_step_falls_into_its_phases():
    assert phases_in(PLAIN_STEP, style="gloo") == {
        "ProfilerStep#0": "forward",
        "aten::linear": "forward",
        f"{NODE} MmBackward0": "backward",
        "MmBackward0": "backward",
        "aten::mm": "backward",
        "c10d::allreduce_": "other",  # between backward and optimizer
        "aten::norm": "other",
        "Optimizer.step#AdamW.step": "optimizer",
        "aten::addcdiv": "optimizer",
        "aten::item": "other",  # around the step
    }


def test_backward_on_a_thread_of_its_own_gives_its_kernels_their_phase():
    found = phases_in(
        f"op:aten::linear 0-10 | kernel:forward_gemm 12-20 launch=5"
        f" | op:{NODE} MmBackward0 20-50 thread=autograd | kernel:backward_gemm 60-80 launch=30 thread=autograd"
    )
    assert (found["forward_gemm"], found["backward_gemm"]) == ("forward", "backward")


def test_reentrant_recompute_is_told_from_the_backward_nested_in_it():
    found = phases_in(
        f"op:aten::embedding 0-1 | op:{NODE} CheckpointFunctionBackward 10-50 | op:CheckpointFunctionBackward 11-49 seqnr=9 fwd=1"
        f" | op:aten::gelu 12-20 seqnr=30 fwd=0 | op:c10d::allreduce_ 20-21 | op:{NODE} GeluBackward0 25-40"
        " | op:aten::gelu_backward 26-39",
        style="gloo",
    )
    assert found["aten::gelu"] == found["c10d::allreduce_"] == "recompute"
    assert found["aten::gelu_backward"] == found[f"{NODE} CheckpointFunctionBackward"] == "backward"
    assert found["aten::embedding"] == "forward"


def test_non_reentrant_recompute_stands_inside_an_ordinary_node():
    found = phases_in(
        f"op:{NODE} AddBackward0 5-9 | op:aten::add_ 6-8"
        f" | op:{NODE} MulBackward0 10-14 | op:aten::mul_ 11-13"
        f" | op:{NODE} DivBackward0 15-19 | op:aten::div_ 16-18"
        f" | op:{NODE} SumBackward0 20-24 | op:aten::expand 21-23"
        f" | op:{NODE} MmBackward0 30-60 | op:MmBackward0 31-59 seqnr=4 fwd=1"
        " | op:_GatherFromSequence 32-35 seqnr=70 fwd=0 | op:c10d::_allgather_base_ 33-34"
        " | op:aten::linear 36-44 seqnr=71 fwd=0 | op:aten::view 45-46 | op:aten::gelu 47-48 seqnr=72 fwd=0"
        " | op:aten::mm 50-58",
        style="gloo",
    )
    recomputed = {"_GatherFromSequence", "c10d::_allgather_base_", "aten::linear", "aten::view", "aten::gelu"}
    assert {name for name, phase in found.items() if phase == "recompute"} == recomputed
    assert found["aten::mm"] == "backward"


def test_recompute_on_the_autograd_thread_counts_its_own_sequence_numbers():
    """With a thread of its own, the numbers of recomputed operators can be smaller than the node's."""
    found = phases_in(
        f"op:aten::linear 0-5 seqnr=500 fwd=0 | op:{NODE} MmBackward0 10-40 thread=t2 | op:MmBackward0 11-39 seqnr=500 fwd=1 thread=t2"
        " | op:aten::gelu 12-20 seqnr=3 fwd=0 thread=t2 | kernel:gelu_again 50-60 launch=15 thread=t2"
        " | op:aten::mm 25-30 thread=t2 | kernel:mm 70-80 launch=26 thread=t2"
    )
    assert (found["gelu_again"], found["mm"]) == ("recompute", "backward")


def test_redistribution_of_dtensors_in_backward_is_no_recompute():
    found = phases_in(
        f"op:{NODE} RedistributeBackward 10-40 | op:NestedRedistribute 12-30 seqnr=90 fwd=0 | op:c10d::allreduce_ 13-14"
        f" | op:{NODE} _ToTorchTensorBackward 41-50 | op:_FromTorchTensor 42-44 seqnr=91 fwd=0",
        style="gloo",
    )
    assert set(found.values()) == {"backward"}


def test_double_backward_is_no_recompute():
    nodes = " | ".join(
        f"op:{NODE} N{i} {10 * i}-{10 * i + 9} | op:aten::op{i} {10 * i + 1}-{10 * i + 8} seqnr={50 + i} fwd=0"
        for i in range(8)
    )
    assert set(phases_in(nodes, style="gloo").values()) == {"backward"}


def test_our_ranges_hold_across_threads_and_the_innermost_wins():
    found = phases_in(
        "phase:forward 0-20 | op:aten::linear 1-5 | phase:backward 20-60 | phase:recompute 30-40 thread=t2"
        " | kernel:a 100-101 launch=25 thread=t2 | kernel:b 110-111 launch=35 thread=t2 | op:aten::late 70-71"
    )
    assert (found["aten::linear"], found["a"], found["b"]) == ("forward", "backward", "recompute")
    assert found["aten::late"] == "other"


def test_our_backward_range_does_not_hide_recompute_autograd_shows():
    found = phases_in(
        f"phase:forward 0-5 | phase:backward 5-60 | op:{NODE} CheckpointFunctionBackward 10-50 | op:CheckpointFunctionBackward 11-49"
        " | op:aten::gelu 12-20",
        style="gloo",
    )
    assert found["aten::gelu"] == "recompute"


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("## forward ##", "forward"),
        ("train/backward", "backward"),
        ("forward_step", "forward"),
        ("optimizer", "optimizer"),
        ("bwd 3", "backward"),
        ("attn(F)", "forward"),
        ("mlp(B)", "backward"),
        ("mlp(W)", "backward"),
        ("grid(b)", None),
    ],
)
def test_ranges_of_the_program_named_after_a_phase_are_believed(name, phase):
    found = phases_in(f"mark:{name} 10-50 | kernel:k 60-70 launch=30 thread=t2")
    assert found["k"] == phase


def test_forward_called_again_inside_a_spoken_backward_is_recompute():
    found = phases_in(
        "mark:backward 10-50 | mark:Block.forward 20-30 thread=t2 | kernel:k 60-70 launch=25 thread=t2"
    )
    assert found["k"] == "recompute"


def test_gradient_accumulation_is_forward_again_until_the_last_backward():
    found = phases_in(
        f"step 0-100 | op:aten::a 1-2 | op:{NODE} A 10-20 | op:aten::b 30-31 | op:{NODE} B 40-50 | op:aten::c 60-61"
        " | mark:Optimizer.step#SGD.step 70-80",
        style="gloo",
    )
    assert [found[f"aten::{name}"] for name in "abc"] == ["forward", "forward", "other"]


def test_loading_data_is_not_forward():
    found = phases_in(
        "step 0-100 | mark:enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__ 1-5 | op:aten::linear 6-9",
        style="gloo",
    )
    assert found["enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"] == "other"
    assert found["aten::linear"] == "forward"


def test_where_no_operator_shows_nothing_is_called_forward():
    (trace,) = build("r0: compute 0-10 | all_reduce 10-20", facts=False, launches=False)
    analysis = analyze_rank(trace)
    # The c10d operator alone would not tell a backward on another thread from a forward.
    assert analysis.breakdown[0].compute_by_phase_ns is None
    assert "no_phases" in {gap.code for gap in analysis.gaps}


def test_steps_without_marks_are_told_apart_by_the_optimizer():
    found = phases_in(
        f"op:aten::a 0-1 | op:{NODE} A 10-20 | mark:Optimizer.step#SGD.step 30-40 | op:aten::b 50-51 | op:{NODE} B 60-70"
        " | mark:Optimizer.step#SGD.step 80-90 | op:aten::c 95-96",
        style="gloo",
    )
    assert [found[f"aten::{name}"] for name in "abc"] == ["forward", "forward", "forward"]


def graphed(text: str) -> RankTrace:
    """A trace whose kernels were all launched in CUDA graphs."""
    (trace,) = build(f"r0: {text}")
    names = tuple("cudaGraphLaunch" if name.startswith("cudaLaunch") else name for name in trace.events.names)
    return replace(trace, events=replace(trace.events, names=names))


def test_kernels_of_a_cuda_graph_have_no_phase_by_position():
    found = phases(
        graphed(
            "step 0-100 | op:aten::copy_ 1-3 | kernel:graphed 10-50 launch=5"
            " | mark:Optimizer.step#SGD.step 60-90 | kernel:update 70-80 launch=65"
        )
    )
    assert (found["graphed"], found["update"]) == (None, "optimizer")


def test_a_thread_without_operators_works_for_what_runs_meanwhile():
    found = phases_in(
        "step 0-100 | op:aten::mm 1-10 | kernel:ahead 12-20 launch=5 thread=helper"
        f" | op:{NODE} MmBackward0 30-50 thread=engine | kernel:behind 52-60 launch=40 thread=helper"
    )
    assert (found["ahead"], found["behind"]) == ("forward", "backward")


CLOSURE = (
    "step 0-100 | mark:Optimizer.step#Adam.step 5-95 | op:aten::linear 10-20 | mark:Optimizer.zero_grad#Adam.zero_grad 22-24"
    f" | op:{NODE} MmBackward0 30-50 thread=engine | op:aten::addcdiv 60-90"
)


@pytest.mark.parametrize("style", ["cuda", "gloo"])
def test_a_closure_inside_the_optimizer_keeps_its_own_phases(style: str):
    found = phases_in(CLOSURE, style=style)
    assert (found["aten::linear"], found["aten::addcdiv"]) == ("forward", "optimizer")
    assert found[f"{NODE} MmBackward0"] == "backward"


def test_between_the_closures_of_one_optimizer_step_it_is_the_optimizer():
    found = phases_in(
        "mark:Optimizer.step#LBFGS.step 0-100 | mark:Optimizer.zero_grad#LBFGS.zero_grad 2-3 | op:aten::first 5-10"
        f" | op:{NODE} A 12-20 | op:aten::direction 22-30 | mark:Optimizer.zero_grad#LBFGS.zero_grad 32-33"
        f" | op:aten::again 35-40 | op:{NODE} B 42-50 | op:aten::last 55-60",
        style="gloo",
    )
    told = [found[f"aten::{name}"] for name in ("first", "direction", "again", "last")]
    assert told == ["forward", "optimizer", "forward", "optimizer"]


def test_what_a_hook_does_where_gradients_are_added_up_is_no_recompute():
    found = phases_in(
        f"op:aten::linear 0-5 seqnr=3 fwd=0 | op:{NODE} MmBackward0 10-20 seqnr=3 fwd=1 | op:aten::mm 11-19"
        f" | op:{NODE} torch::autograd::AccumulateGrad 20-30 | op:aten::mul 22-28 seqnr=40 fwd=0",
        style="gloo",
    )
    assert found["aten::mul"] == "backward"


@pytest.mark.parametrize(
    ("name", "phase"),
    [("PP:2SEND_B0", "backward"), ("PP:0RECV_B2", "backward"), ("PP:1SEND_F0", "forward"), ("PP:0F1", "forward"),
     ("PP:3I0", "backward"), ("PP:3W0", "backward"), ("PP:0UNSHARD", "other")],
)  # fmt: skip
def test_the_letters_of_pipeline_schedules_tell_the_phase(name: str, phase: str):
    found = phases_in(
        f"step 0-90 | op:{NODE} X 1-5 | mark:{name} 10-20 | op:aten::inside 12-18", style="gloo"
    )
    assert found["aten::inside"] == phase


def test_nothing_is_called_absent_where_work_has_no_phase():
    codes = {
        gap.code
        for gap in analyze_rank(graphed("step 0-100 | op:aten::mm 1-5 | compute 6-50 launch=5.5")).gaps
    }
    assert "graph_phases" in codes
    assert "no_backward" not in codes


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 10_000), st.sets(st.integers(0, 60), max_size=6))
def test_nothing_is_told_absent_where_any_work_has_no_phase(seed: int, lost: set[int]) -> None:
    """Launches that no record tells of leave kernels without a phase: these may have been a backward."""
    traces = simulate(World(), random_programs(Recipe(ranks=2, seed=seed))).traces()
    broken = [without_launches(trace, lost) for trace in traces]
    analysis = join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in broken])
    told = " ".join(analysis_sections(analysis)[0].sentences)
    attributions = [attribute(trace)[0] for trace in broken]
    full = all(bool((one.phase[one.busy != Busy.NOT] >= 0).all()) for one in attributions)
    assert full or "Not present" not in told


def without_launches(trace: RankTrace, lost: set[int]) -> RankTrace:
    """The trace with the n-th calls that launched anything as if they had launched nothing."""
    events = trace.events
    calls = np.flatnonzero(events.is_kind(EventKind.RUNTIME) & (events.correlation >= 0))
    correlation = events.correlation.copy()
    correlation[calls[[one for one in sorted(lost) if one < len(calls)]]] = NO_VALUE
    return replace(trace, events=replace(events, correlation=correlation))
