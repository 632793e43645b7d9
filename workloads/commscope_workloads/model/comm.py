"""Collectives of one process group, each through a range with its facts and through the ledger.

Takes tensors, gives tensors. A group of one rank moves nothing. Gathers and scatters run along the first
dimension.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from commscope.record.marks.ledger import Marks
from commscope.record.marks.ranges import CollectiveFacts
from commscope.schema import Collective, Role

_OPS = {"sum": dist.ReduceOp.SUM, "max": dist.ReduceOp.MAX}
_gather: Callable[..., Any] = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
_scatter: Callable[..., Any] = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor


@dataclass(frozen=True, slots=True)
class Pending:
    """A collective under way; `wait` gives its result."""

    result: Tensor
    work: Any = None

    def wait(self) -> Tensor:
        """The result, once it is there."""
        if self.work is not None:
            self.work.wait()
        return self.result


@dataclass(frozen=True, slots=True)
class Comm:
    """A process group as a layer sees it."""

    group: dist.ProcessGroup | None
    size: int
    rank: int  # within the group
    name: str
    marks: Marks
    _seq: Iterator[int] = field(default_factory=itertools.count)

    def all_reduce(self, tensor: Tensor, role: Role, op: str = "sum", *, wait: bool = True) -> Pending:
        """Reduce in place over the group."""
        if self.size == 1:
            return Pending(tensor)
        tensor = tensor.contiguous()
        with self._range(Collective.ALL_REDUCE, tensor, role, op, wait):
            work = dist.all_reduce(tensor, _OPS[op], group=self.group, async_op=not wait)
        return Pending(tensor, work)

    def all_gather(self, shard: Tensor, role: Role, *, wait: bool = True) -> Pending:
        """The whole from everybody's shard."""
        if self.size == 1:
            return Pending(shard)
        whole = shard.new_empty((shard.shape[0] * self.size, *shard.shape[1:]))
        return Pending(whole, self.gather_into(whole, shard.contiguous(), role, wait=wait))

    def gather_into(self, whole: Tensor, shard: Tensor, role: Role, *, wait: bool) -> Any:
        """All-gather into a tensor the caller owns; gives the work when not waited for."""
        with self._range(Collective.ALL_GATHER, whole, role, "", wait):
            return _gather(whole, shard, group=self.group, async_op=not wait)

    def reduce_scatter(self, whole: Tensor, role: Role, *, wait: bool = True) -> Pending:
        """This rank's shard of the sum."""
        if self.size == 1:
            return Pending(whole)
        shard = whole.new_empty((whole.shape[0] // self.size, *whole.shape[1:]))
        return Pending(shard, self.scatter_into(shard, whole.contiguous(), role, wait=wait))

    def scatter_into(self, shard: Tensor, whole: Tensor, role: Role, *, wait: bool) -> Any:
        """Reduce-scatter into a tensor the caller owns; gives the work when not waited for."""
        with self._range(Collective.REDUCE_SCATTER, whole, role, "sum", wait):
            return _scatter(shard, whole, group=self.group, async_op=not wait)

    def split(self, whole: Tensor) -> Tensor:
        """This rank's shard, without communication; a copy, since a view would keep the whole alive."""
        return whole if self.size == 1 else whole.chunk(self.size)[self.rank].clone()

    def _range(self, collective: Collective, whole: Tensor, role: Role, op: str, wait: bool) -> Any:
        return self.marks.collective(
            CollectiveFacts(
                collective=collective.value,
                role=role.value,
                group=self.name,
                group_size=self.size,
                dtype=str(whole.dtype).removeprefix("torch."),
                elements=whole.numel(),
                seq=next(self._seq),
                op=op,
                is_async=not wait,
            )
        )


def alone(marks: Marks, name: str = "tp") -> Comm:
    """A group of this rank only."""
    return Comm(None, 1, 0, name, marks)


def main_dtype(dtype: torch.dtype) -> torch.dtype:
    """Dtype of the loss and of main gradients: float32, or float64 where everything is."""
    return torch.float64 if dtype == torch.float64 else torch.float32
