"""Cross entropy over a split vocabulary: three small all-reduces instead of gathering the logits.

After Megatron-LM (arXiv 1909.08053, section 3): the maximum, the logit of the target, the sum of
exponentials.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from commscope.schema import Role
from commscope_workloads.model.comm import Comm, main_dtype


class _CrossEntropy(Function):
    """[s, b, vocab / ranks] logits and [s, b] targets -> [s, b] losses, in float32 at least."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, comm: Comm) -> Tensor:
        ctx.dtype = logits.dtype
        logits = logits.to(main_dtype(logits.dtype))
        logits = logits - comm.all_reduce(logits.amax(-1), Role.LOSS, "max").wait()[..., None]
        own, is_elsewhere = own_ids(targets, logits.shape[-1], comm)
        predicted = logits.gather(-1, own[..., None]).squeeze(-1).masked_fill(is_elsewhere, 0)
        predicted = comm.all_reduce(predicted, Role.LOSS).wait()
        exponentials = logits.exp()
        total = comm.all_reduce(exponentials.sum(-1), Role.LOSS).wait()
        ctx.save_for_backward(exponentials / total[..., None], own, is_elsewhere)
        return total.log() - predicted

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        softmax, own, is_elsewhere = ctx.saved_tensors
        target = torch.ones_like(softmax[..., :1]).masked_fill(is_elsewhere[..., None], 0)
        logits_grad = softmax.scatter_add(-1, own[..., None], -target) * grad[..., None]
        return logits_grad.to(ctx.dtype), None, None


def cross_entropy(logits: Tensor, targets: Tensor, comm: Comm) -> Tensor:
    """The loss of each token."""
    losses: Tensor = _CrossEntropy.apply(logits, targets, comm)  # type: ignore[no-untyped-call]
    return losses


def own_ids(ids: Tensor, width: int, comm: Comm) -> tuple[Tensor, Tensor]:
    """Token ids within this rank's part of the vocabulary, and which lie elsewhere (those become 0)."""
    local = ids - comm.rank * width
    is_elsewhere = (local < 0) | (local >= width)
    return local.masked_fill(is_elsewhere, 0), is_elsewhere
