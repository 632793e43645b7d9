"""The conjugate pairs of tensor and sequence parallelism, each an autograd function of a few lines.

f and g after Megatron-LM (arXiv 1909.08053, section 3); g and its conjugate along the sequence after
Korthikanti et al. (arXiv 2205.05198, section 4.2.2). Tensors are [sequence, batch, hidden], so a shard of the
sequence is contiguous.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from commscope.schema import Role
from commscope_workloads.model.comm import Comm


class _Copy(Function):
    """f: the input of a column-parallel linear. Forward nothing, backward all-reduce."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, comm: Comm, role: Role) -> Tensor:
        ctx.comm, ctx.role, ctx.layer = comm, role, comm.marks.current_layer
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        with ctx.comm.marks.layer(ctx.layer):
            return ctx.comm.all_reduce(grad, ctx.role).wait(), None, None


class _Reduce(Function):
    """g: the output of a row-parallel linear. Forward all-reduce, backward nothing."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor, comm: Comm, role: Role) -> Tensor:
        return comm.all_reduce(x.detach(), role).wait()

    @staticmethod
    def backward(_ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad, None, None


class _Gather(Function):
    """The sequence made whole. Forward all-gather, backward reduce-scatter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, comm: Comm, role: Role) -> Tensor:
        ctx.comm, ctx.role, ctx.layer = comm, role, comm.marks.current_layer
        return comm.all_gather(x, role).wait()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        with ctx.comm.marks.layer(ctx.layer):
            return ctx.comm.reduce_scatter(grad, ctx.role).wait(), None, None


class _Scatter(Function):
    """The sum, each rank its part of the sequence. Forward reduce-scatter, backward all-gather."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, comm: Comm, role: Role) -> Tensor:
        ctx.comm, ctx.role, ctx.layer = comm, role, comm.marks.current_layer
        return comm.reduce_scatter(x, role).wait()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        with ctx.comm.marks.layer(ctx.layer):
            return ctx.comm.all_gather(grad, ctx.role).wait(), None, None


class _Split(Function):
    """Each rank its part of what all have. Forward nothing, backward all-gather."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, comm: Comm, role: Role) -> Tensor:
        ctx.comm, ctx.role, ctx.layer = comm, role, comm.marks.current_layer
        return comm.split(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        with ctx.comm.marks.layer(ctx.layer):
            return ctx.comm.all_gather(grad, ctx.role).wait(), None, None


class _GatherColumns(Function):
    """The last dimension made whole, where KV heads are fewer than ranks.

    Forward all-gather, backward reduce-scatter.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, comm: Comm) -> Tensor:
        ctx.comm, ctx.layer = comm, comm.marks.current_layer
        parts = comm.all_gather(x, Role.TP).wait().view(comm.size, *x.shape)
        return torch.cat(parts.unbind(), dim=-1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        comm = ctx.comm
        stacked = torch.cat(grad.chunk(comm.size, dim=-1))
        with comm.marks.layer(ctx.layer):
            return comm.reduce_scatter(stacked, Role.TP).wait(), None


def copy_to_ranks(x: Tensor, comm: Comm, role: Role = Role.TP) -> Tensor:
    """f: identity forward, all-reduce backward."""
    return x if comm.size == 1 else _applied(_Copy, x, comm, role)


def reduce_from_ranks(x: Tensor, comm: Comm, role: Role = Role.TP) -> Tensor:
    """g: all-reduce forward, identity backward."""
    return x if comm.size == 1 else _applied(_Reduce, x, comm, role)


def gather_sequence(x: Tensor, comm: Comm, role: Role = Role.SP) -> Tensor:
    """All-gather forward, reduce-scatter backward."""
    return x if comm.size == 1 else _applied(_Gather, x, comm, role)


def scatter_sum(x: Tensor, comm: Comm, role: Role = Role.SP) -> Tensor:
    """Reduce-scatter forward, all-gather backward."""
    return x if comm.size == 1 else _applied(_Scatter, x, comm, role)


def split_sequence(x: Tensor, comm: Comm, role: Role = Role.SP) -> Tensor:
    """Local split forward, all-gather backward."""
    return x if comm.size == 1 else _applied(_Split, x, comm, role)


def gather_columns(x: Tensor, comm: Comm) -> Tensor:
    """All-gather of the last dimension forward, reduce-scatter backward."""
    return x if comm.size == 1 else _applied(_GatherColumns, x, comm)


def _applied(function: type[Function], *arguments: object) -> Tensor:
    result: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return result
