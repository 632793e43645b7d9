"""Closed forms of memory: Layout and ModelShape -> bytes one rank holds, item by item.

Activations: Korthikanti et al. 2022 (arXiv 2205.05198), equations 1, 2, 4 and section 5, item by
item, so that ffn != 4h, fewer KV heads and other dtypes follow. The items of gpt are the paper's,
with dropout; those of llama are derived in the same way (RMSNorm, gated MLP, no dropout). The paper
calls what lies outside the layers "less than 0.01 %"; for its 22B model the same formula gives 0.57
%. Parameters: Megatron's theoretical_memory_usage: 18 bytes a parameter in mixed precision with
Adam (2 weight, 4 gradient, 4 master, 8 moments), 6 + 12/d with a distributed optimizer.
"""

from __future__ import annotations

from dataclasses import dataclass

from commscope.schema import DTYPE_BYTES
from commscope.theory.parameters import rank_parameters
from commscope.theory.tensor_parallel import keeps_gathered, recomputed_layers
from commscope.trace import Layout, ModelShape

WHOLE, SEQUENCE, TENSOR = "sequence unless gathered", "sequence", "tensor"


@dataclass(frozen=True, slots=True)
class Saved:
    """Something a layer's forward saves for its backward."""

    name: str
    whole_bytes: float  # on one rank without any parallelism
    split: str  # TENSOR: t ways; SEQUENCE: t ways under SP; WHOLE: as SEQUENCE, unless kept gathered
    core: bool = False  # inside core attention: what selective recompute does not save


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one rank at the peak of a step."""

    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    layers_bytes: int  # saved activations of all layers
    edges_bytes: int  # embedding dropout, final norm, head and logits

    @property
    def total_bytes(self) -> int:
        """All of it."""
        state = self.weights_bytes + self.gradients_bytes + self.optimizer_bytes
        return state + self.layers_bytes + self.edges_bytes


def rank_memory(layout: Layout, model: ModelShape) -> Memory:
    """Model state and activations of one microbatch in flight on one rank."""
    weights, gradients, optimizer = _state_bytes(layout, model)
    return Memory(
        weights_bytes=weights,
        gradients_bytes=gradients,
        optimizer_bytes=optimizer,
        layers_bytes=round(activation_bytes(layout, model)),
        edges_bytes=round(edge_bytes(layout, model)),
    )


def activation_bytes(layout: Layout, model: ModelShape) -> float:
    """Saved activations of all layers; a recomputed layer keeps its input only."""
    recomputed = recomputed_layers(layout, model)
    checkpoint = _checkpoint_bytes(layout, model)
    return (model.layers - recomputed) * layer_bytes(layout, model) + recomputed * checkpoint


def layer_bytes(layout: Layout, model: ModelShape) -> float:
    """Saved activations of one layer that is not fully recomputed.

    gpt with ffn = 4h in 2 bytes: sbh(34 + 5as/h) alone, sbh(10 + 24/t + 5as/ht) under TP,
    sbh/t (34 + 5as/h) under TP and SP; selective recompute leaves out the term with a.
    """
    items = [item for item in saved_items(model) if not (item.core and layout.recompute == "selective")]
    return sum(item.whole_bytes / _ways(item, layout) for item in items)


def saved_items(model: ModelShape) -> tuple[Saved, ...]:
    """What one layer saves, on one rank without any parallelism."""
    sbh = model.seq * model.batch * model.hidden
    e = DTYPE_BYTES[model.dtype]
    return _llama_items(model, sbh * e) if model.family == "llama" else _gpt_items(model, sbh, e)


def edge_bytes(layout: Layout, model: ModelShape) -> float:
    """Embedding dropout, final norm, head input and fp32 logits: sbh/t + 4sbh/t (1 + v/h), split under SP."""
    sb, t = model.seq * model.batch, layout.tp
    sequence = t if layout.sp else 1
    e = DTYPE_BYTES[model.dtype]
    dropout = sb * model.hidden if model.family == "gpt" else 0
    return (dropout + 2 * e * sb * model.hidden) / sequence + 4 * sb * model.vocab / t


def _checkpoint_bytes(layout: Layout, model: ModelShape) -> float:
    whole = model.seq * model.batch * model.hidden * DTYPE_BYTES[model.dtype]
    return whole / layout.tp if layout.sp or layout.distribute_saved else whole


def _ways(item: Saved, layout: Layout) -> int:
    if item.split == TENSOR:
        return layout.tp
    kept = item.split == WHOLE and keeps_gathered(layout)
    return layout.tp if layout.sp and not kept else 1


def _gpt_items(model: ModelShape, sbh: int, e: int) -> tuple[Saved, ...]:
    kv = 2 * model.kv_heads / model.heads
    wide = sbh * model.ffn / model.hidden
    scores = model.heads * model.seq**2 * model.batch
    return (
        Saved("attention norm input", e * sbh, SEQUENCE),
        Saved("QKV input", e * sbh, WHOLE),
        Saved("queries, keys and values", e * sbh * (1 + kv), TENSOR),
        Saved("softmax output", e * scores, TENSOR, core=True),
        Saved("attention dropout mask", scores, TENSOR, core=True),
        Saved("attention dropout output", e * scores, TENSOR, core=True),
        Saved("projection input", e * sbh, TENSOR),
        Saved("attention output dropout mask", sbh, SEQUENCE),
        Saved("MLP norm input", e * sbh, SEQUENCE),
        Saved("MLP input", e * sbh, WHOLE),
        Saved("GELU input", e * wide, TENSOR),
        Saved("GELU output", e * wide, TENSOR),
        Saved("MLP output dropout mask", sbh, SEQUENCE),
    )


def _llama_items(model: ModelShape, whole: int) -> tuple[Saved, ...]:
    kv = 2 * model.kv_heads / model.heads
    wide = whole * model.ffn / model.hidden
    scores = model.heads * model.seq**2 * model.batch * DTYPE_BYTES[model.dtype]
    return (
        Saved("attention norm input", whole, SEQUENCE),
        Saved("QKV input", whole, WHOLE),
        Saved("queries, keys and values", whole * (1 + kv), TENSOR),
        Saved("softmax output", scores, TENSOR, core=True),
        Saved("projection input", whole, TENSOR),
        Saved("MLP norm input", whole, SEQUENCE),
        Saved("MLP input", whole, WHOLE),
        Saved("gate and up", 2 * wide, TENSOR),
        Saved("activated gate and product", 2 * wide, TENSOR),
    )


def _state_bytes(layout: Layout, model: ModelShape) -> tuple[int, int, int]:
    """Weights, gradients, and Adam's moments (with a master copy in mixed precision)."""
    parameters = rank_parameters(layout, model).total
    size = DTYPE_BYTES[model.dtype]
    main = max(size, 4)
    moments = 2 * main + (main if size < main else 0)
    sharded = layout.dp if layout.dp_kind in {"zero1", "fsdp2"} else 1
    everything = layout.dp if layout.dp_kind == "fsdp2" else 1
    return (
        parameters * size // everything,
        parameters * main // everything,
        parameters * moments // sharded,
    )
