from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import RankBreakdown
from commscope.schema import Phase
from commscope.trace import Events, RankTrace
from tests.build import build

US = 1_000
FIELDS = (
    "compute_ns",
    "communication_ns",
    "overlapped_ns",
    "exposed_ns",
    "copy_ns",
    "idle_ns",
    "host_bound_ns",
)


def rows(text: str, **options: object) -> dict[str, RankBreakdown]:
    (trace,) = build(f"r0: {text}", **options)
    return {row.window: row for row in analyze_rank(trace).breakdown}


def in_us(row: RankBreakdown) -> dict[str, float]:
    return {name: getattr(row, name) / US for name in FIELDS if getattr(row, name) is not None}


def test_overlap_exposure_copies_and_idle_are_a_partition():
    row = rows(
        "compute 0-10 launch=0 | all_reduce 5-20 launch=1 | copy 8-24 launch=2 | compute 30-40 launch=3"
    )["capture"]
    assert in_us(row) == {
        "compute_ns": 20,
        "communication_ns": 15,
        "overlapped_ns": 5,
        "exposed_ns": 10,
        "copy_ns": 4,  # 20-24: what neither compute nor communication hides
        "idle_ns": 6,  # launched long before
        "host_bound_ns": 0,
    }


def test_idle_before_a_late_launch_is_host_bound_until_the_launch_returns():
    row = rows("compute 0-10 launch=0 | compute 30-40 launch=25")["capture"]
    assert (row.host_bound_ns / US, row.idle_ns / US) == (15.5, 4.5)


def test_without_launch_records_idle_cannot_be_told_from_host_bound():
    row = rows("compute 0-10 | compute 30-40", launches=False)["capture"]
    assert (row.host_bound_ns, row.idle_ns) == (None, 20 * US)


def test_streams_that_overlap_are_counted_once():
    row = rows(
        "compute 0-10 stream=7 | compute 5-15 stream=8 | all_reduce 12-20 | all_gather 14-22 stream=21"
    )["capture"]
    assert (row.compute_ns, row.communication_ns, row.exposed_ns) == (15 * US, 10 * US, 7 * US)


def test_time_of_two_phases_at_once_belongs_to_the_kernel_that_began_first():
    row = rows(
        "phase:forward 0-5 | phase:backward 5-9 | compute 10-30 launch=1 | compute 20-40 launch=6 stream=8"
    )["capture"]
    assert row.compute_by_phase_ns == {Phase.FORWARD: 20 * US, Phase.BACKWARD: 10 * US}


def test_compute_is_split_by_layer_where_ranges_say_so():
    row = rows("layer:0 0-5 | layer:1 5-9 | compute 10-30 launch=1 | compute 30-40 launch=6")["capture"]
    assert row.compute_by_layer_ns == {0: 20 * US, 1: 10 * US}


def test_each_step_is_a_partition_of_its_own_and_the_last_waits_for_its_kernels():
    found = rows(
        "step 0-20 | compute 5-15 launch=1 | step 20-40 | compute 25-50 launch=21 | all_reduce 50-60 launch=22 issue=22"
    )
    assert {name: row.span_ns / US for name, row in found.items()} == {
        "capture": 55,
        "step 0": 20,
        "step 1": 40,
    }
    assert in_us(found["step 1"])["compute_ns"] == 25
    assert in_us(found["step 1"])["exposed_ns"] == 10


def test_on_gloo_the_host_computes_and_waits_are_not_compute():
    row = rows(
        "op:aten::linear 0-10 | op:aten::mm 2-8 | all_reduce 5-30 issue=4 | op:aten::view 12-28"
        " | op:_c10d_functional::wait_tensor 14-26 | op:autograd::engine::evaluate_function:X 30-40 | op:aten::add 32-36",
        style="gloo",
    )["capture"]
    assert in_us(row) == {
        "compute_ns": 10 + (16 - 12) + 4,
        "communication_ns": 25,
        "overlapped_ns": 5 + 4,
        "exposed_ns": 16,
        "copy_ns": 0,
        "idle_ns": 40 - 18 - 16,
    }


def test_threads_that_only_load_data_do_not_compute_for_the_step():
    row = rows("step 0-20 | compute 5-10 | op:aten::stack 0-20 thread=loader", style="gloo")["capture"]
    assert row.compute_ns == 5 * US


ITEMS = ("compute", "copy", "all_reduce", "all_gather", "kernel:gemm", "set")
SPANS = st.tuples(
    st.sampled_from(ITEMS), st.integers(0, 60), st.integers(0, 30), st.integers(0, 3), st.integers(0, 20)
)


def text_of(items: list[tuple[str, int, int, int, int]]) -> str:
    marks = "step 0-30 | step 30-70 | phase:forward 0-20 | phase:backward 20-50"
    work = (
        f"{what} {start}-{start + length} stream={stream} launch={max(start - ahead, 0)}"
        for what, start, length, stream, ahead in items
    )
    return " | ".join([marks, *work])


def check_partition(row: RankBreakdown) -> None:
    parts = row.compute_ns + row.exposed_ns + row.copy_ns + row.idle_ns + (row.host_bound_ns or 0)
    assert parts == row.span_ns
    assert row.communication_ns == row.overlapped_ns + row.exposed_ns
    assert all((getattr(row, name) or 0) >= 0 for name in FIELDS)
    if row.compute_by_phase_ns is not None:
        assert sum(row.compute_by_phase_ns.values()) == row.compute_ns


@settings(max_examples=40, deadline=None)
@given(st.lists(SPANS, min_size=1, max_size=12), st.sampled_from(["cuda", "gloo"]))
def test_every_window_is_always_a_partition(items, style):
    if style == "gloo":
        items = [(("compute", "all_reduce")[i % 2], *item[1:]) for i, item in enumerate(items)]
    (trace,) = build(f"r0: {text_of(items)}", style=style)
    analysis = analyze_rank(trace)
    for row in analysis.breakdown:
        check_partition(row)


def counted(trace: RankTrace) -> tuple[object, ...]:
    """Everything about a rank but its clock."""
    analysis = analyze_rank(trace)
    origin = analysis.windows[0].start_ns
    table = analysis.instances.copy()
    for column in ("start_ns", "end_ns", "issue_ns"):
        table[column] = table[column] - origin
    windows = [(one.name, one.start_ns - origin, one.end_ns - origin) for one in analysis.windows]
    return analysis.breakdown, table.to_csv(), windows


@settings(max_examples=20, deadline=None)
@given(st.lists(SPANS, min_size=1, max_size=10), st.integers(-(10**9), 10**9))
def test_shifting_the_clock_changes_nothing_but_the_clock(items, offset_us):
    (plain,) = build(f"r0: {text_of(items)}")
    (shifted,) = build(f"r0: {text_of(items)}", offsets_us={0: offset_us})
    assert counted(shifted) == counted(plain)


@settings(max_examples=20, deadline=None)
@given(st.lists(SPANS, min_size=1, max_size=10), st.randoms())
def test_the_order_of_events_in_the_file_changes_nothing(items, random):
    (trace,) = build(f"r0: {text_of(items)}")
    order = list(range(len(trace.events)))
    random.shuffle(order)
    assert counted(replace(trace, events=reordered(trace.events, np.array(order)))) == counted(trace)


def reordered(events: Events, order: np.ndarray) -> Events:
    """Rows as a reader would have them had it met them in another order: sorted by start and end again."""
    ties = np.lexsort((-events.end_ns[order], events.start_ns[order]))
    order = order[ties]
    columns = ("start_ns", "end_ns", "kind", "name_id", "lane_id", "correlation", "external_id", "sequence",
               "forward_thread", "size_bytes", "comm_id")  # fmt: skip
    return replace(events, **{name: getattr(events, name)[order] for name in columns})


def test_an_empty_trace_is_an_empty_analysis():
    (trace,) = build("r0: ")
    analysis = analyze_rank(trace)
    assert analysis.windows[0].span_ns == 0
    assert len(analysis.instances) == 0


@pytest.mark.parametrize("style", ["cuda", "gloo"])
def test_a_trace_without_communication_has_none(style):
    (trace,) = build("r0: compute 0-10 | compute 12-20", style=style)
    row = analyze_rank(trace).breakdown[0]
    assert (row.communication_ns, row.exposed_ns, row.compute_ns) == (0, 0, 18 * US)


def test_kernels_that_start_at_once_share_their_time_the_same_way_in_any_order():
    marks = "phase:forward 0-5 | phase:backward 5-9"
    both = ["compute 10-30 launch=1", "compute 10-30 launch=6 stream=8"]
    found = [rows(" | ".join([marks, *order]))["capture"] for order in (both, both[::-1])]
    assert found[0] == found[1]
    assert found[0].compute_by_phase_ns == {Phase.FORWARD: 20 * US, Phase.BACKWARD: 0}
