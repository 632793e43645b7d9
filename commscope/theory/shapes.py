"""What one rank holds at every place of a layer, under TP and under TP + SP: Layout and ModelShape -> shapes.

Megatron's layer (Korthikanti et al. 2022, figures 4 and 5). Under TP norms, dropout and residual sums see the
whole sequence on every rank; under SP each its part, and the sequence is whole only between a gather and a
scatter: the input of a column-parallel product is always [s, b, h]. Weights, not inputs, are split there.
"""

from __future__ import annotations

from dataclasses import dataclass

from commscope.theory.parameters import qkv_width
from commscope.trace import ModelShape

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlaceShape:
    """One activation, and what was communicated to have it."""

    place: str
    tp: Shape
    sp: Shape
    by_tp: str = ""
    by_sp: str = ""


def layer_shapes(model: ModelShape, degree: int) -> tuple[PlaceShape, ...]:
    """All activations of a layer in order, [sequence, batch, width] but for scores [batch, heads, s, s]."""
    s, b, h, t = model.seq, model.batch, model.hidden, degree
    whole, part = (s, b, h), (s // t, b, h)
    ups = 2 if model.family == "llama" else 1
    scores = (b, model.heads // t, s, s)
    wide = (s, b, ups * model.ffn // t)

    def alike(place: str, shape: Shape) -> PlaceShape:
        return PlaceShape(place, shape, shape)

    return (
        PlaceShape("layer input, residual", whole, part),
        PlaceShape("after the attention norm", whole, part),
        PlaceShape("input of QKV", whole, whole, "", "all_gather"),
        alike("Q, K and V", (s, b, qkv_width(model) // t)),
        alike("scores", scores),
        alike("input of the projection", (s, b, h // t)),
        alike("partial sums of the projection", whole),
        PlaceShape("after the projection, dropout, residual", whole, part, "all_reduce", "reduce_scatter"),
        PlaceShape("after the MLP norm", whole, part),
        PlaceShape("input of the MLP", whole, whole, "", "all_gather"),
        alike("up and gate" if ups == 2 else "up", wide),
        alike("input of down", (s, b, model.ffn // t)),
        alike("partial sums of down", whole),
        PlaceShape("layer output, dropout, residual", whole, part, "all_reduce", "reduce_scatter"),
    )
