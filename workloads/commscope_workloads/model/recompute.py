"""Activation recompute: run a part of the model again in backward instead of keeping what it needs.

`full` is Megatron's CheckpointFunction: everything runs again, collectives included. `full-nonreentrant` is
torch's: it stops once the last saved tensor is there, so the last collective of the part does not run again;
`full-no-early-stop` runs it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from commscope.record.marks.ledger import Marks
from commscope.schema import Phase, Role
from commscope_workloads.config import Config
from commscope_workloads.model.comm import Comm

Part = Callable[..., Tensor]


class _CheckpointFunction(Function):
    """Keeps the input (or, distributed, this rank's slice of it) and runs the part again in backward."""

    @staticmethod
    def forward(ctx: Any, part: Part, comm: Comm, distribute: bool, x: Tensor) -> Tensor:
        ctx.part, ctx.comm, ctx.distribute, ctx.layer = part, comm, distribute, comm.marks.current_layer
        ctx.shape = x.shape
        ctx.save_for_backward(comm.split(x.detach().flatten()) if distribute else x)
        with torch.no_grad():
            return part(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (saved,) = ctx.saved_tensors
        comm = ctx.comm
        with comm.marks.phase(Phase.RECOMPUTE.value):
            if ctx.distribute:
                with comm.marks.layer(ctx.layer):
                    saved = comm.all_gather(saved, Role.TP).wait().view(ctx.shape)
            x = saved.detach().requires_grad_()
            with torch.enable_grad():
                y = ctx.part(x)
        torch.autograd.backward(y, grad)
        return None, None, None, x.grad


def run_layer(part: Part, x: Tensor, layer: int, config: Config, comm: Comm) -> Tensor:
    """One layer, recomputed in backward where the layout says so."""
    layout = config.layout
    first = config.model.layers if layout.recompute_layers is None else layout.recompute_layers
    if layout.recompute in ("none", "selective") or layer >= first or not torch.is_grad_enabled():
        return part(x)
    with comm.marks.layer(layer):
        if layout.recompute == "full":
            distribute = layout.distribute_saved and not layout.sp and comm.size > 1
            result: Tensor = _CheckpointFunction.apply(part, comm, distribute, x)  # type: ignore[no-untyped-call]
            return result
        with set_checkpoint_early_stop(layout.recompute == "full-nonreentrant"):
            return _without_reentry(part, comm.marks, x)


def run_core_attention(part: Part, config: Config, marks: Marks, *inputs: Tensor) -> Tensor:
    """Core attention, recomputed under `selective`; it communicates nothing."""
    if config.layout.recompute != "selective" or not torch.is_grad_enabled():
        return part(*inputs)
    return _without_reentry(part, marks, *inputs)


def _without_reentry(part: Part, marks: Marks, *inputs: Tensor) -> Tensor:
    result: Tensor = checkpoint(
        part,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (contextlib.nullcontext(), marks.phase(Phase.RECOMPUTE.value)),
    )
    return result
