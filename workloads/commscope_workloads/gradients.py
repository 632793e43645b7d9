"""Gradients that no rank knows whole: summed once a step after backward.

Under SP a norm or the bias of a row-parallel linear saw only its part of the sequence. Megatron coalesces
these gradients into one all-reduce in float32 (finalize_model_grads).
"""

from __future__ import annotations

import torch

from commscope.schema import Role
from commscope_workloads.model.comm import Comm, main_dtype
from commscope_workloads.model.plain import own_part
from commscope_workloads.model.transformer import Transformer


def sum_partial_gradients(model: Transformer, comm: Comm) -> None:
    """One coalesced all-reduce of every partial gradient; nothing without SP."""
    if comm.size == 1:
        return
    parameters = [
        parameter
        for name, parameter in model.named_parameters()
        if model.placed[name].partial and parameter.grad is not None
    ]
    if not parameters:
        return
    # under FSDP2 each rank holds, and so sums, its slice only
    grads = [own_part(parameter.grad) for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([grad.flatten() for grad in grads]).to(main_dtype(grads[0].dtype))
    summed = comm.all_reduce(flat, Role.SP).wait()
    for grad, part in zip(grads, torch.split(summed, [grad.numel() for grad in grads]), strict=True):
        grad.copy_(part.view_as(grad))
