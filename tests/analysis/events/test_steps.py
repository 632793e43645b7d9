"""Windows of steps: what counts as a step, where the capture ends, and how steps cut it over the ranks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Window
from commscope.analysis.windows import cut_at_ends
from commscope.trace import RunInfo
from tests.build import build

US = 1_000
INFO = RunInfo("run", Path("run"))
STEP = "step {0}-{1} | compute {2}-{3} launch={0} | all_reduce {3}-{4} launch={2}"


def spans(text: str, **options: object) -> dict[str, tuple[float, float]]:
    (trace,) = build(f"r0: {text}", **options)
    start = trace.events.start_ns[0]
    return {
        one.name: ((one.start_ns - start) / US, (one.end_ns - start) / US)
        for one in analyze_rank(trace).windows
    }


def test_the_empty_step_behind_the_last_call_of_step_is_none() -> None:
    text = f"{STEP.format(0, 100, 10, 50, 90)} | step 100-105"
    assert list(spans(text)) == ["capture", "step 0"]


def test_a_step_before_an_empty_one_ends_with_its_mark_like_all_others_and_the_capture_with_its_work() -> (
    None
):
    found = spans("step 0-100 | compute 10-99 launch=1 | compute 99-120 launch=2 | step 100-104")
    assert found == {"capture": (10, 120), "step 0": (0, 100)}


def test_a_step_behind_the_last_with_a_trifle_in_it_is_none() -> None:
    kernels = " | ".join(f"compute {at}-{at + 1} launch={at - 1}" for at in range(2, 82, 2))
    text = f"step 0-100 | {kernels} | step 100-110 | compute 104-105 launch=103"
    assert list(spans(text)) == ["capture", "step 0"]
    assert spans(text)["capture"] == (2, 100)


def test_a_single_step_stays_even_where_nothing_ran_in_it() -> None:
    assert list(spans("step 0-100 | runtime:cudaLaunchKernel 3-4", style="cuda")) == ["capture", "step 0"]


def test_on_the_host_too_the_empty_step_is_none() -> None:
    text = "step 0-100 | op:aten::mm 5-50 | all_reduce 50-90 issue=49 | step 100-105 | mark:PROFILER 101-104"
    assert list(spans(text, style="gloo")) == ["capture", "step 0"]


def test_the_capture_ends_with_the_last_step_and_not_with_the_stop_of_the_profiler() -> None:
    text = "step 0-100 | op:aten::mm 5-50 | op:aten::stop 110-400"
    assert spans(text, style="gloo")["capture"][1] == 100


def test_work_behind_the_steps_that_a_program_marks_stays_in_the_capture() -> None:
    text = "mark:train step 3 0-100 | compute 5-50 launch=1 | compute 110-400 launch=105"
    assert spans(text)["capture"] == (5, 400)


def test_in_a_file_cut_short_a_step_ends_with_the_last_event() -> None:
    (trace,) = build(f"r0: {STEP.format(0, 100, 10, 50, 90)} | step 100-1000 | compute 120-150 launch=110")
    whole = [one.span_ns // US for one in analyze_rank(trace).windows]
    cut = [one.span_ns // US for one in analyze_rank(replace(trace, read_counts={"truncated": 1})).windows]
    assert (whole, cut) == ([140, 100, 900], [140, 100, 50])


def test_steps_of_two_ranks_that_drifted_apart_do_not_overlap() -> None:
    first = f"r0: {STEP.format(0, 100, 10, 50, 90)} | {STEP.format(100, 200, 110, 150, 190)}"
    second = f"r1: {STEP.format(0, 140, 10, 50, 90)} | {STEP.format(140, 210, 145, 150, 190)}"
    windows = join(INFO, [analyze_rank(one) for one in build(first, second)]).windows
    start = windows[0].start_ns
    found = {one.name: ((one.start_ns - start) // US, (one.end_ns - start) // US) for one in windows}
    assert found == {"capture": (0, 180), "step 0": (-10, 130), "step 1": (130, 200)}


def test_what_lies_between_steps_far_apart_is_no_steps() -> None:
    steps = (Window("step 1", 0, 100, 1), Window("step 2", 1000, 1100, 2))
    assert cut_at_ends(steps) == steps


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 100)), min_size=1, max_size=8), st.data())
def test_cut_steps_never_overlap_and_keep_their_ends(
    lengths: list[tuple[int, int]], data: st.DataObject
) -> None:
    at, steps = 0, []
    for number, (back, length) in enumerate(lengths):
        start = max(0, at - back)
        at = max(at, start) + length
        steps.append(Window(f"step {number}", start, at, number))
    cut = cut_at_ends(data.draw(st.permutations(steps)))
    assert [one.end_ns for one in cut] == [one.end_ns for one in steps]
    assert all(a.end_ns <= b.start_ns <= b.end_ns for a, b in pairwise(cut))
    assert sum(one.span_ns for one in cut) == steps[-1].end_ns - steps[0].start_ns  # one after the other
