"""Unit tests of training code as a stranger writes them: run by two gloo ranks, each by its own pytest."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist

import commscope
from commscope.errors import UsageProblem


def refused(words: str) -> Any:
    """The block fails with these words."""
    return pytest.raises(AssertionError, match=words)


def row_parallel(weight: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """What is tested."""
    out = part @ weight
    dist.all_reduce(out)
    return out


def test_it_reduces_once() -> None:
    with commscope.expect(all_reduce=1, payload_bytes=4 * 8 * 16, wire_bytes=4 * 8 * 16):
        row_parallel(torch.ones(4, 16), torch.ones(8, 4))


def test_an_added_collective_fails() -> None:
    def twice() -> None:
        row_parallel(torch.ones(4, 16), torch.ones(8, 4))
        dist.all_reduce(torch.ones(1))

    with refused("expected 1 all_reduce, issued 2"), commscope.expect(all_reduce=1):
        twice()


def test_another_kind_fails_unless_others_may_occur() -> None:
    def gather() -> None:
        dist.all_gather([torch.ones(8), torch.ones(8)], torch.ones(8))

    with refused("expected 0 all_gather, issued 1"), commscope.expect(all_reduce=0):
        gather()
    with commscope.expect(all_reduce=0, others=True) as watched:
        gather()
    assert watched.issued.counts == {"all_gather": 1}
    assert watched.issued.in_words() == "1 all_gather of 64 B"


def test_larger_messages_fail() -> None:
    with (
        refused("expected 512 payload bytes, issued 1024"),
        commscope.expect(all_reduce=1, payload_bytes=512),
    ):
        row_parallel(torch.ones(4, 32), torch.ones(8, 4))


def test_gradients_of_ddp_are_counted() -> None:
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(16, 16))
    for _ in range(2):  # the second step makes the buckets anew, with two broadcasts
        model(torch.ones(2, 16)).sum().backward()
    with commscope.expect(all_reduce=1, payload_bytes=4 * (16 * 16 + 16)):
        model(torch.ones(2, 16)).sum().backward()


def test_wrong_questions_are_refused() -> None:
    with pytest.raises(UsageProblem, match="no collective is called all_reduces"):
        commscope.expect(all_reduces=1).__enter__()
    with pytest.raises(UsageProblem, match="needs the layout"):
        commscope.expect(all_reduce=1, wire_bytes="theory").__enter__()
    with torch.profiler.profile(), pytest.raises(UsageProblem, match="another profiler"):
        commscope.expect(all_reduce=1).__enter__()


def test_an_error_of_the_block_stays_itself() -> None:
    with pytest.raises(ZeroDivisionError), commscope.expect(all_reduce=7):
        raise ZeroDivisionError


def test_the_fixture(expect_collectives: object) -> None:
    with expect_collectives(broadcast=1):  # type: ignore[operator]
        dist.broadcast(torch.ones(4), 0)
