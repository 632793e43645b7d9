"""Column- and row-parallel linears: [sequence, batch, in] -> [sequence, batch, out].

The column-parallel linear under SP saves the shard of its input and gathers it again in backward, as Megatron
does; `sp_keep_gathered` saves the gathered one. With `overlap`, gradients travel behind the next matrix
product.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from commscope.schema import Role
from commscope_workloads.config import Config
from commscope_workloads.model.collectives import (
    copy_to_ranks,
    gather_sequence,
    reduce_from_ranks,
    scatter_sum,
)
from commscope_workloads.model.comm import Comm
from commscope_workloads.model.parameters import Parameters
from commscope_workloads.model.plain import plain_linear


class _ColumnLinear(Function):
    """x W^T on the whole sequence; with overlap the input's gradient travels behind the weight's product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, comm: Comm, config: Config) -> Tensor:
        ctx.comm, ctx.layout, ctx.layer = comm, config.layout, comm.marks.current_layer
        whole = comm.all_gather(x, Role.SP).wait() if config.layout.sp else x
        ctx.save_for_backward(whole if config.layout.sp_keep_gathered else x, weight)
        return whole @ weight.T

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        comm, layout = ctx.comm, ctx.layout
        wait = not layout.overlap
        with comm.marks.layer(ctx.layer):
            gathers = layout.sp and not layout.sp_keep_gathered
            gathered = comm.all_gather(x, Role.SP, wait=wait) if gathers else None
            input_grad = grad @ weight
            whole = x if gathered is None else gathered.wait()
            if layout.sp:
                reduced = comm.reduce_scatter(input_grad, Role.SP, wait=wait)
            else:
                reduced = comm.all_reduce(input_grad, Role.TP, wait=wait)
            weight_grad = grad.flatten(0, 1).T @ whole.flatten(0, 1)
            return reduced.wait(), weight_grad, None, None


class ColumnLinear(nn.Module):
    """Outputs are split over the ranks; the input is whole (TP) or split along the sequence (SP)."""

    def __init__(
        self, config: Config, comm: Comm, make: Parameters, shape: tuple[int, ...], *, has_bias: bool = True
    ) -> None:
        """`shape` is (out, in), or (parts, out, in) where several matrices are fused and each is split."""
        super().__init__()
        self.config = config
        self.comm = comm
        split = len(shape) - 2
        self.weight = make.normal("weight", shape, split=split)
        self.bias = make.zeros("bias", shape[:-1], split=split) if has_bias and not config.is_llama else None

    def forward(self, x: Tensor) -> Tensor:
        """[sequence or its shard, batch, in] -> [sequence, batch, out / ranks]."""
        weight = self.weight.flatten(0, -2)
        y = self._multiply(x, weight)
        return y if self.bias is None else y + self.bias.flatten()

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        layout = self.config.layout
        if self.comm.size == 1:
            return functional.linear(x, weight)
        if layout.overlap or (layout.sp and not layout.sp_keep_gathered):
            result: Tensor = _ColumnLinear.apply(x, weight, self.comm, self.config)  # type: ignore[no-untyped-call]
            return result
        whole = gather_sequence(x, self.comm) if layout.sp else copy_to_ranks(x, self.comm)
        return functional.linear(whole, weight)


class RowLinear(nn.Module):
    """Inputs are split over the ranks; the output is summed (TP), or summed and split by sequence (SP)."""

    def __init__(self, config: Config, comm: Comm, make: Parameters, shape: tuple[int, int]) -> None:
        super().__init__()
        self.config = config
        self.comm = comm
        self.weight = make.normal("weight", shape, split=1)
        self.bias = None if config.is_llama else make.zeros("bias", shape[:1], partial=config.layout.sp)

    def forward(self, x: Tensor) -> Tensor:
        """[sequence, batch, in / ranks] -> [sequence or its shard, batch, out]."""
        reduce = scatter_sum if self.config.layout.sp else reduce_from_ranks
        role = Role.SP if self.config.layout.sp else Role.TP
        y = reduce(functional.linear(x, self.weight), self.comm, role)
        return y if self.bias is None else y + self.bias


def column_linear(
    config: Config, comm: Comm, make: Parameters, shape: tuple[int, ...], *, has_bias: bool = True
) -> nn.Module:
    """A column-parallel linear; under DTensor a plain one that its plan will split."""
    if not config.is_dtensor:
        return ColumnLinear(config, comm, make, shape, has_bias=has_bias)
    bias = make.zeros("bias", shape[:-1]) if has_bias and not config.is_llama else None
    return plain_linear(make.normal("weight", shape), bias)


def row_linear(config: Config, comm: Comm, make: Parameters, shape: tuple[int, int]) -> nn.Module:
    """A row-parallel linear; under DTensor a plain one that its plan will split."""
    if not config.is_dtensor:
        return RowLinear(config, comm, make, shape)
    bias = None if config.is_llama else make.zeros("bias", shape[:1])
    return plain_linear(make.normal("weight", shape), bias)
