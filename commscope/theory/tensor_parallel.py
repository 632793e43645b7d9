"""Closed forms over the tensor-parallel group: layers, embedding, head, loss and the gradients of SP.

Sources: Korthikanti et al. 2022 (arXiv 2205.05198) for the f/g and g-bar pairs; Megatron-core's
linear layers for the second gather (the input of a column-parallel linear is gathered again for
the weight gradient, which the paper does not count); torch.utils.checkpoint for early stop; torch
DTensor's parallel styles. P is the payload of one activation: seq x batch x hidden x size of dtype.
Counts were checked against Megatron-core run on CPU.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from commscope.schema import DTYPE_BYTES, Collective, Phase, Role
from commscope.theory.parameters import qkv_width
from commscope.theory.rows import VolumeRow
from commscope.trace import Layout, ModelShape

ADAM_USES = 3  # of a gradient: once for the first moment, twice for the second
EARLY_STOP = "full-nonreentrant"
FULL_RECOMPUTE = ("full", EARLY_STOP, "full-no-early-stop")
RECOMPUTE = ("none", "selective", *FULL_RECOMPUTE)


def layer_volume(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    """One layer and microbatch without recompute.

    TP: 2 all-reduces forward, and one backward for each column-parallel input. SP: each all-reduce
    becomes a gather and a scatter, and each column-parallel input is gathered once more in backward
    unless the gathered one was kept.
    """
    inputs = column_inputs(layout, model)
    return [
        *_activation_rows(layout, model, Phase.FORWARD, _forward_calls(layout, inputs)),
        *_activation_rows(layout, model, Phase.BACKWARD, _backward_calls(layout, inputs)),
        *_shared_heads(layout, model, Phase.FORWARD, Collective.ALL_GATHER),
        *_shared_heads(layout, model, Phase.BACKWARD, Collective.REDUCE_SCATTER),
    ]


def recomputed_layer_volume(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    """One fully recomputed layer and microbatch: the plain layer and its forward once more.

    Non-reentrant checkpointing stops once the last saved tensor is there, so the layer's last
    collective is not repeated. Megatron's distributed saved activations gather each layer's input
    before it is recomputed.
    """
    again = _forward_calls(layout, column_inputs(layout, model))
    if layout.recompute == EARLY_STOP:
        again[Collective.REDUCE_SCATTER if layout.sp else Collective.ALL_REDUCE] -= 1
    if layout.distribute_saved and not layout.sp:
        again[Collective.ALL_GATHER] += 1
    return [
        *layer_volume(layout, model),
        *_activation_rows(layout, model, Phase.RECOMPUTE, again),
        *_shared_heads(layout, model, Phase.RECOMPUTE, Collective.ALL_GATHER),
    ]


def edge_volume(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    """Embedding, head and vocabulary-parallel cross entropy of one microbatch.

    Learned positions are added before the sequence is split, so Megatron's GPT reduces the whole
    embedding under SP.
    """
    return [*_embedding(layout, model), *_head(layout, model), *_loss(layout, model)]


def gradient_volume(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    """Gradients of norms and row biases, summed once a step: under SP each rank saw only its part.

    Megatron coalesces them into one all-reduce in the dtype of the main gradients; under FSDP2 each
    rank sums its slice of each vector only. DTensor leaves the norms' gradients Partial and reduces
    each one anew wherever it is used: Adam's update uses it three times.
    """
    if not layout.sp:
        return []
    if layout.impl == "dtensor":
        return [_partial_gradients(layout, model)]
    dtype = main_dtype(model)
    shards = layout.dp if layout.dp_kind == "fsdp2" else 1
    vectors = sequence_parallel_parameters(model) // model.hidden
    payload = vectors * -(-model.hidden // shards) * DTYPE_BYTES[dtype]
    row = _row(layout, Phase.OTHER, Collective.ALL_REDUCE, Role.SP)
    return [replace(row, dtype=dtype, payload_bytes=payload)]


def _partial_gradients(layout: Layout, model: ModelShape) -> VolumeRow:
    vectors = (2 * model.layers + 1) * (1 if model.family == "llama" else 2)
    row = _row(layout, Phase.OPTIMIZER, Collective.ALL_REDUCE, Role.SP)
    payload = model.hidden * DTYPE_BYTES[model.dtype]
    return replace(row, dtype=model.dtype, payload_bytes=payload, count=ADAM_USES * vectors)


def column_inputs(layout: Layout, model: ModelShape) -> int:
    """Column-parallel linears of a layer that move their own input: 2 when fused; else q, k, v, up (gate)."""
    if layout.fused:
        return 2
    return 3 + (2 if model.family == "llama" else 1)


def recomputed_layers(layout: Layout, model: ModelShape) -> int:
    """How many layers run their forward twice."""
    if layout.recompute not in FULL_RECOMPUTE:
        return 0
    return model.layers if layout.recompute_layers is None else min(layout.recompute_layers, model.layers)


def sequence_parallel_parameters(model: ModelShape) -> int:
    """Parameters whose gradient each rank knows only in part under SP.

    gpt: weight and bias of two norms and the bias of two row-parallel linears a layer, and the final norm.
    llama: two RMSNorm weights a layer, and the final one.
    """
    if model.family == "llama":
        return model.hidden * (2 * model.layers + 1)
    return model.hidden * (6 * model.layers + 2)


def activation_bytes(model: ModelShape) -> int:
    """P: one activation of a microbatch, whole."""
    return model.seq * model.batch * model.hidden * DTYPE_BYTES[model.dtype]


def main_dtype(model: ModelShape) -> str:
    """Dtype of the loss and of main gradients: float32, or float64 where everything is."""
    return "float64" if model.dtype == "float64" else "float32"


def _forward_calls(layout: Layout, inputs: int) -> Counter[Collective]:
    if layout.sp:
        return Counter({Collective.ALL_GATHER: inputs, Collective.REDUCE_SCATTER: 2})
    return Counter({Collective.ALL_REDUCE: 2})


def _backward_calls(layout: Layout, inputs: int) -> Counter[Collective]:
    if not layout.sp:
        return Counter({Collective.ALL_REDUCE: inputs})
    gathered_again = 0 if keeps_gathered(layout) else inputs
    return Counter({Collective.ALL_GATHER: 2 + gathered_again, Collective.REDUCE_SCATTER: inputs})


def keeps_gathered(layout: Layout) -> bool:
    """Whether the gathered input is saved for backward: DTensor's autograd always does."""
    return layout.sp_keep_gathered or layout.impl == "dtensor"


def _embedding(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    splits_early = layout.sp and (model.family == "llama" or layout.impl == "dtensor")
    forward = Collective.REDUCE_SCATTER if splits_early else Collective.ALL_REDUCE
    rows = _rows(layout, model, Phase.FORWARD, Role.EMBEDDING, Counter([forward]))
    if layout.sp:
        rows += _rows(layout, model, Phase.BACKWARD, Role.EMBEDDING, Counter([Collective.ALL_GATHER]))
    return rows


def _head(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    if not layout.sp:
        return _activation_rows(layout, model, Phase.BACKWARD, Counter([Collective.ALL_REDUCE]))
    backward = Counter([Collective.REDUCE_SCATTER])
    if not keeps_gathered(layout):
        backward[Collective.ALL_GATHER] += 1
    return [
        *_activation_rows(layout, model, Phase.FORWARD, Counter([Collective.ALL_GATHER])),
        *_activation_rows(layout, model, Phase.BACKWARD, backward),
    ]


def _loss(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    """Maximum, predicted logit and sum of exponentials of every token."""
    dtype = main_dtype(model)
    row = _row(layout, Phase.FORWARD, Collective.ALL_REDUCE, Role.LOSS)
    return [replace(row, dtype=dtype, payload_bytes=model.seq * model.batch * DTYPE_BYTES[dtype], count=3)]


def _shared_heads(layout: Layout, model: ModelShape, phase: Phase, collective: Collective) -> list[VolumeRow]:
    """Fewer KV heads than ranks: each rank computes a part of the fused QKV, and the whole is gathered."""
    if model.kv_heads >= layout.tp:
        return []
    payload = model.seq * model.batch * qkv_width(model) * DTYPE_BYTES[model.dtype]
    return [replace(_row(layout, phase, collective, Role.TP), dtype=model.dtype, payload_bytes=payload)]


def _activation_rows(
    layout: Layout, model: ModelShape, phase: Phase, calls: Counter[Collective]
) -> list[VolumeRow]:
    return _rows(layout, model, phase, Role.SP if layout.sp else Role.TP, calls)


def _rows(
    layout: Layout, model: ModelShape, phase: Phase, role: Role, calls: Counter[Collective]
) -> list[VolumeRow]:
    payload = activation_bytes(model)
    return [
        replace(_row(layout, phase, kind, role), dtype=model.dtype, payload_bytes=payload, count=count)
        for kind, count in calls.items()
    ]


def _row(layout: Layout, phase: Phase, collective: Collective, role: Role) -> VolumeRow:
    return VolumeRow(phase.value, collective.value, role.value, "tp", layout.tp, "", 0, 1)
