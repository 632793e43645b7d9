"""Parameters: Layout and ModelShape -> how many one rank holds, block by block."""

from __future__ import annotations

from dataclasses import dataclass

from commscope.trace import Layout, ModelShape


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameter counts of one rank after tensor parallelism, before data-parallel sharding."""

    embedding: int
    layer: int
    layers: int
    final: int  # final norm and head

    @property
    def total(self) -> int:
        """All parameters of the rank."""
        return self.embedding + self.layer * self.layers + self.final


def rank_parameters(layout: Layout, model: ModelShape) -> Parameters:
    """Linear weights and the vocabulary are split t ways; norms, positions, row biases are whole."""
    t = layout.tp
    embedding = model.vocab * model.hidden // t
    head = model.vocab * model.hidden // t
    if model.family == "llama":
        return Parameters(embedding, _llama_layer(model, t), model.layers, model.hidden + head)
    positions = model.seq * model.hidden
    return Parameters(embedding + positions, _gpt_layer(model, t), model.layers, 2 * model.hidden + head)


def qkv_width(model: ModelShape) -> int:
    """Columns of the fused QKV: heads and twice the KV heads."""
    return model.hidden + 2 * model.kv_heads * (model.hidden // model.heads)


def _gpt_layer(model: ModelShape, t: int) -> int:
    h = model.hidden
    split = (h * qkv_width(model) + qkv_width(model) + h * h + h * model.ffn + model.ffn + model.ffn * h) // t
    return split + 6 * h


def _llama_layer(model: ModelShape, t: int) -> int:
    h = model.hidden
    return (h * qkv_width(model) + h * h + 3 * h * model.ffn) // t + 2 * h
