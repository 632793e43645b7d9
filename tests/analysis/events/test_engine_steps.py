"""Steps and phases of inference engines: batches that vLLM and SGLang mark, whose work the device does later."""

from __future__ import annotations

from pathlib import Path

import pytest

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.summary import phases_present
from commscope.readers.names.steps import engine_phase
from commscope.schema import Phase
from commscope.trace import RunInfo
from tests.build import build

US = 1_000
PREFILL, DECODE = "execute_context_1(128)_generation_0(0)", "execute_context_0(0)_generation_4(4)"
# a batch: the host launches a graph within 10 us, the device works on for 50
BATCHES = (
    f"mark:{PREFILL} 0-20 | op:aten::mm 1-9 | compute 10-80 launch=2 | all_reduce 80-95 launch=8 | "
    f"mark:{DECODE} 100-110 | op:aten::mm 101-102 | runtime:cudaGraphLaunch 102-104 | "
    "kernel:decode_gemm 105-140 launch=102 | all_reduce 140-150 launch=103 | "
    f"mark:{DECODE} 200-210 | op:aten::mm 201-202 | runtime:cudaGraphLaunch 202-204 | "
    "kernel:decode_gemm 205-240 launch=202 | all_reduce 240-250 launch=203"
)


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        (PREFILL, "prefill"),
        (DECODE, "decode"),
        ("execute_context_2(64)_generation_30(30)", "prefill"),  # a batch with any prompt in it
        ("execute_new_0_cached_8", "decode"),
        ("execute_new_3_cached_0", "prefill"),
        ("step[DECODE bs=32]", "decode"),
        ("step[EXTEND bs=2 toks=512]", "prefill"),
        ("step[TARGET_VERIFY bs=4]", "decode"),
        ("step[DRAFT_EXTEND bs=4]", "prefill"),
        ("step[IDLE bs=0]", "other"),
        ("step[3]", None),
        ("execute_context", None),
        ("step 3", None),
    ],
)
def test_names_of_batches(name: str, phase: str | None) -> None:
    assert engine_phase(name) == phase


def test_a_batch_is_a_step_until_its_work_has_ended() -> None:
    (trace,) = build(f"r0: {BATCHES}")
    found = analyze_rank(trace)
    start = trace.events.start_ns[0]
    steps = [(one.name, (one.start_ns - start) / US, (one.end_ns - start) / US) for one in found.windows[1:]]
    assert steps == [("step 0", 0, 95), ("step 1", 100, 150), ("step 2", 200, 250)]


def test_all_that_runs_in_a_batch_has_its_phase_graphs_too() -> None:
    analysis = join(
        RunInfo("run", Path("run")),
        [analyze_rank(trace) for trace in build(f"r0: {BATCHES}", f"r1: {BATCHES}")],
    )
    assert phases_present(analysis) == (Phase.PREFILL, Phase.DECODE)
    by_step = {
        (row.window, phase): time_ns / US
        for row in analysis.breakdown
        if row.rank == 0
        for phase, time_ns in (row.compute_by_phase_ns or {}).items()
        if time_ns
    }
    assert by_step == {
        ("capture", "prefill"): 70,
        ("capture", "decode"): 70,
        ("step 0", "prefill"): 70,
        ("step 1", "decode"): 35,
        ("step 2", "decode"): 35,
    }
    assert analysis.instances.groupby("phase")["instance"].nunique().to_dict() == {"decode": 2, "prefill": 1}


def test_the_profilers_own_steps_hide_the_engines() -> None:
    (trace,) = build("r0: step 0-300 | " + BATCHES)
    found = analyze_rank(trace)
    assert [window.name for window in found.windows] == ["capture", "step 0"]
    assert {
        phase for phase, time_ns in (found.breakdown[1].compute_by_phase_ns or {}).items() if time_ns
    } == {
        Phase.PREFILL,
        Phase.DECODE,
    }


def test_a_batch_marked_twice_is_one_step() -> None:
    (trace,) = build(
        f"r0: mark:{DECODE} 0-20 | mark:{DECODE} 1-19 | op:aten::mm 2-9 | compute 10-30 launch=3"
    )
    assert [window.name for window in analyze_rank(trace).windows] == ["capture", "step 0"]


def test_a_batch_is_no_forward_though_the_engine_says_so_inside() -> None:
    (trace,) = build(f"r0: mark:{DECODE} 0-20 | mark:Forward 1-19 | op:aten::mm 2-9 | compute 10-30 launch=3")
    (_, step) = analyze_rank(trace).breakdown
    assert {phase for phase, time_ns in (step.compute_by_phase_ns or {}).items() if time_ns} == {Phase.DECODE}
