"""Messages of a pipeline: the way the first one goes carries activations, the other gradients."""

from __future__ import annotations

from commscope.analysis.rank import analyze_rank
from tests.build import build

NODE = "op:autograd::engine::evaluate_function:X"


def phases(text: str) -> list[tuple[str, str]]:
    (trace,) = build(f"r0: {text}", style="gloo", groups={"pp": (0, 1)}, group="pp")
    table = analyze_rank(trace).instances
    return list(zip(table["collective"], table["phase"], strict=True))


def test_the_first_stage_receives_gradients() -> None:
    assert phases(
        "step 0-100 | op:aten::mm 1-5 | send 6-8 peer=1 | op:aten::mm 9-12 | send 13-15 peer=1"
        f" | recv 16-20 peer=1 | {NODE} 21-30 | recv 31-40 peer=1 | {NODE} 41-50 | recv 55-58 peer=1"
    ) == [("send", "forward"), ("send", "forward"), *[("recv", "backward")] * 3]


def test_the_last_stage_sends_gradients() -> None:
    assert phases(
        f"step 0-100 | recv 1-5 peer=1 | op:aten::mm 6-10 | {NODE} 11-20 | send 21-23 peer=1"
        f" | recv 25-30 peer=1 | {NODE} 41-50 | send 52-54 peer=1"
    ) == [("recv", "forward"), ("send", "backward"), ("recv", "forward"), ("send", "backward")]


def test_ranks_that_exchange_before_any_backward_are_no_pipeline() -> None:
    ring = " | ".join(f"send {at}-{at + 2} peer=1 | recv {at + 2}-{at + 4} peer=1" for at in (10, 20, 30))
    found = phases(f"step 0-100 | op:aten::mm 1-5 | {ring} | {NODE} 50-60")
    assert {phase for _, phase in found} == {"forward"}


def test_without_a_backward_no_message_carries_gradients() -> None:
    found = phases("step 0-100 | op:aten::mm 1-5 | send 6-8 peer=1 | recv 16-20 peer=1")
    assert {phase for _, phase in found} == {"forward"}
