"""Torch's own modules around parameters that are there already, and plain tensors of DTensors.

Apart from `dtensor`, because importing DTensor takes a rank most of a second.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def whole(tensor: Tensor) -> Tensor:
    """A plain tensor; of a DTensor all of it, gathered where it is spread."""
    spread: Any = tensor
    return spread.full_tensor() if hasattr(spread, "full_tensor") else tensor


def own_part(tensor: Tensor) -> Tensor:
    """A plain tensor; of a DTensor what this rank holds."""
    spread: Any = tensor
    return spread.to_local() if hasattr(spread, "to_local") else tensor


def plain_linear(weight: nn.Parameter, bias: nn.Parameter | None) -> nn.Linear:
    """A linear DTensor's styles know, around parameters that are there already."""
    with torch.device("meta"):
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.weight = weight
    linear.bias = bias  # type: ignore[assignment]
    return linear


def plain_embedding(weight: nn.Parameter) -> nn.Embedding:
    """An embedding DTensor's styles know."""
    with torch.device("meta"):
        embedding = nn.Embedding(*weight.shape)
    embedding.weight = weight
    return embedding
