"""Closed forms of saved activations: Layout and ModelShape -> bytes kept for backward, item by item.

Korthikanti et al. 2022 (arXiv 2205.05198), equations 1, 2, 4 and section 5, item by
item, so that ffn != 4h, fewer KV heads and other dtypes follow. The items of gpt are the paper's,
with dropout; those of llama are derived in the same way (RMSNorm, gated MLP, no dropout). The paper
calls what lies outside the layers "less than 0.01 %"; for its 22B model the same formula gives 0.57
%. Flash attention never has the matrix of scores; a fused gated MLP does not keep the activated gate.
"""

from __future__ import annotations

from dataclasses import dataclass

from commscope.schema import DTYPE_BYTES
from commscope.theory.policy import PAPER, Policy
from commscope.theory.tensor_parallel import keeps_gathered, recomputed_layers
from commscope.trace import Layout, ModelShape

WHOLE, SEQUENCE, TENSOR = "sequence unless gathered", "sequence", "tensor"


@dataclass(frozen=True, slots=True)
class Saved:
    """Something a layer's forward saves for its backward."""

    name: str
    whole_bytes: float  # on one rank without any parallelism
    part: str  # attention | mlp | norms
    split: str  # TENSOR: t ways; SEQUENCE: t ways under SP; WHOLE: as SEQUENCE, unless kept gathered
    core: bool = False  # inside core attention: what selective recompute does not save


def activation_bytes(layout: Layout, model: ModelShape, policy: Policy = PAPER) -> float:
    """Saved activations of all layers; a recomputed layer keeps its input only."""
    recomputed = recomputed_layers(layout, model)
    checkpoint = checkpoint_bytes(layout, model)
    return (model.layers - recomputed) * layer_bytes(layout, model, policy) + recomputed * checkpoint


def layer_bytes(layout: Layout, model: ModelShape, policy: Policy = PAPER) -> float:
    """Saved activations of one layer that is not fully recomputed.

    gpt with ffn = 4h in 2 bytes: sbh(34 + 5as/h) alone, sbh(10 + 24/t + 5as/ht) under TP,
    sbh/t (34 + 5as/h) under TP and SP; selective recompute leaves out the term with a.
    """
    return sum(part_bytes(layout, model, policy).values())


def part_bytes(layout: Layout, model: ModelShape, policy: Policy = PAPER) -> dict[str, float]:
    """`layer_bytes` by part of the layer, and what SP gathers and keeps under its own name."""
    parts = dict.fromkeys(("attention", "mlp", "norms", "gathered inputs"), 0.0)
    for item in saved_items(model, policy):
        if item.core and layout.recompute == "selective":
            continue
        kept = item.split == WHOLE and layout.sp and keeps_gathered(layout)
        parts["gathered inputs" if kept else item.part] += item.whole_bytes / _ways(item, layout)
    return parts


def saved_items(model: ModelShape, policy: Policy = PAPER) -> tuple[Saved, ...]:
    """What one layer saves, on one rank without any parallelism."""
    sbh = model.seq * model.batch * model.hidden
    e = DTYPE_BYTES[model.dtype]
    items = _llama_items(model, sbh * e, policy) if model.family == "llama" else _gpt_items(model, sbh, e)
    return tuple(
        item
        for item in items
        if not (item.core and policy.attention == "flash") and (policy.dropout or "dropout" not in item.name)
    )


def edge_bytes(layout: Layout, model: ModelShape) -> float:
    """Embedding dropout, final norm, head input and fp32 logits: sbh/t + 4sbh/t (1 + v/h), split under SP."""
    sb, t = model.seq * model.batch, layout.tp
    sequence = t if layout.sp else 1
    e = DTYPE_BYTES[model.dtype]
    dropout = sb * model.hidden if model.family == "gpt" else 0
    return (dropout + 2 * e * sb * model.hidden) / sequence + 4 * sb * model.vocab / t


def checkpoint_bytes(layout: Layout, model: ModelShape) -> float:
    """What a recomputed layer keeps: its input, or a shard of it."""
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
        Saved("attention norm input", e * sbh, "norms", SEQUENCE),
        Saved("QKV input", e * sbh, "attention", WHOLE),
        Saved("queries, keys and values", e * sbh * (1 + kv), "attention", TENSOR),
        Saved("softmax output", e * scores, "attention", TENSOR, core=True),
        Saved("attention dropout mask", scores, "attention", TENSOR, core=True),
        Saved("attention dropout output", e * scores, "attention", TENSOR, core=True),
        Saved("projection input", e * sbh, "attention", TENSOR),
        Saved("attention output dropout mask", sbh, "attention", SEQUENCE),
        Saved("MLP norm input", e * sbh, "norms", SEQUENCE),
        Saved("MLP input", e * sbh, "mlp", WHOLE),
        Saved("GELU input", e * wide, "mlp", TENSOR),
        Saved("GELU output", e * wide, "mlp", TENSOR),
        Saved("MLP output dropout mask", sbh, "mlp", SEQUENCE),
    )


def _llama_items(model: ModelShape, whole: int, policy: Policy) -> tuple[Saved, ...]:
    kv = 2 * model.kv_heads / model.heads
    wide = whole * model.ffn / model.hidden
    scores = model.heads * model.seq**2 * model.batch * DTYPE_BYTES[model.dtype]
    return (
        Saved("attention norm input", whole, "norms", SEQUENCE),
        Saved("QKV input", whole, "attention", WHOLE),
        Saved("queries, keys and values", whole * (1 + kv), "attention", TENSOR),
        Saved("softmax output", scores, "attention", TENSOR, core=True),
        Saved("projection input", whole, "attention", TENSOR),
        Saved("MLP norm input", whole, "norms", SEQUENCE),
        Saved("MLP input", whole, "mlp", WHOLE),
        Saved("gate and up", 2 * wide, "mlp", TENSOR),
        Saved("activated gate and product", (1 if policy.fused_mlp else 2) * wide, "mlp", TENSOR),
    )
