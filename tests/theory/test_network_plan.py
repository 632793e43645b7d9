"""NCCL's ring model against times worked out from its constants, and the plan that uses it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commscope.errors import UsageProblem
from commscope.theory.network import LINKS, Link, collective_time_ns
from commscope.theory.plan import Machine, plan
from commscope.trace import Layout, ModelShape

H100 = LINKS["h100-nvlink"]
B22 = ModelShape("gpt", 48, 6144, 24576, 64, 64, 51200, 2048, 4, dtype="bfloat16")


@pytest.mark.parametrize(
    ("collective", "payload_bytes", "microseconds"),
    [
        # Simple: 8.4 + 14 x 3.4 us, and 1.75 x 100.66 MB at 360 GB/s
        ("all_reduce", 100_663_296, 8.4 + 47.6 + 489.3),
        ("all_gather", 100_663_296, 8.4 + 23.8 + 244.7),
        # LL: 6.6 + 14 x 0.6 us, and 7168 B at 141 GB/s
        ("all_reduce", 4096, 6.6 + 8.4 + 0.05),
    ],
)
def test_times_on_eight_h100(collective: str, payload_bytes: int, microseconds: float) -> None:
    time_ns = collective_time_ns(collective, payload_bytes, 8, H100)
    assert time_ns / 1e3 == pytest.approx(microseconds, abs=0.1)


def test_one_rank_alone_needs_no_time() -> None:
    assert collective_time_ns("all_reduce", 1 << 20, 1, H100) == 0


@given(
    payload=st.integers(1, 1 << 32), ranks=st.integers(2, 64), kind=st.sampled_from(["nvlink", "pcie", "net"])
)
def test_more_payload_never_takes_less_time(payload: int, ranks: int, kind: str) -> None:
    link = Link("any", kind, 100.0)
    for collective in ("all_reduce", "all_gather", "reduce_scatter"):
        short = collective_time_ns(collective, payload, ranks, link)
        assert 0 < short <= collective_time_ns(collective, 2 * payload, ranks, link)


def test_the_22b_model_brackets_what_was_measured() -> None:
    """vuiseng9 measured 427 ms under SP on 8 x H100, between all hidden and none hidden."""
    sp = plan(Layout(tp=8, sp=True), B22)
    tp = plan(Layout(tp=8), B22)
    assert sp.all_hidden_ns == sp.compute_ns < 427e6 < sp.none_hidden_ns * 1.02
    assert sp.wire_bytes > tp.wire_bytes
    assert sp.memory.total_bytes < tp.memory.total_bytes


def test_only_wire_time_remains_without_latency() -> None:
    """At 370 GB/s and nothing hidden: 92, 116, 138 and 161 ms for the four layouts of the 22B model."""
    layouts = (
        Layout(tp=8),
        Layout(tp=8, sp=True),
        Layout(tp=8, recompute="full"),
        Layout(tp=8, sp=True, recompute="full"),
    )
    times = [round(plan(layout, B22).wire_bytes / 370 / 1e6) for layout in layouts]
    assert times == [92, 116, 138, 161]


def test_a_slower_machine_takes_longer() -> None:
    slow = Machine(peak_tflops=312.0, tp_link=LINKS["a100-nvlink"])
    assert plan(Layout(tp=8), B22, slow).none_hidden_ns > plan(Layout(tp=8), B22).none_hidden_ns


@pytest.mark.parametrize("layout", [Layout(tp=7), Layout(tp=5, sp=True), Layout(tp=128)])
def test_uneven_parts_are_refused_with_the_number_that_does_not_divide(layout: Layout) -> None:
    with pytest.raises(UsageProblem, match="does not divide by tp"):
        plan(layout, B22)
