"""Closed form of one rank's peak memory: Layout, ModelShape, Policy -> bytes by part, and what fits.

Parameters: Megatron's theoretical_memory_usage: 18 bytes a parameter in mixed precision with Adam (2
weight, 4 gradient, 4 master, 8 moments), 6 + 12/d with a distributed optimizer. The peak stands at the
end of forward: all saved activations of the microbatches in flight, and whichever is more: logits with
their gradient and the head's weight gradient, or the live layer with its gradients. Checked against 34
real steps, in docs/plan.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from commscope.schema import DTYPE_BYTES
from commscope.theory.gpus import Gpu
from commscope.theory.memory.saved import (
    activation_bytes,
    checkpoint_bytes,
    layer_bytes,
    part_bytes,
)
from commscope.theory.parameters import rank_parameters
from commscope.theory.policy import PAPER, Policy
from commscope.theory.tensor_parallel import recomputed_layers
from commscope.trace import Layout, ModelShape


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one rank at the peak of a step."""

    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    activations_bytes: tuple[tuple[str, int], ...]  # saved, by part
    working: tuple[str, int]  # name and bytes: of the logits or of the live layer, whichever is more
    context_bytes: int = 0

    @property
    def by_part_bytes(self) -> dict[str, int]:
        """All parts by name."""
        return {
            "parameters": self.weights_bytes,
            "gradients": self.gradients_bytes,
            "optimizer": self.optimizer_bytes,
            **dict(self.activations_bytes),
            self.working[0]: self.working[1],
            "context and workspace": self.context_bytes,
        }

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return sum(self.by_part_bytes.values())


def rank_memory(layout: Layout, model: ModelShape, policy: Policy = PAPER, context_bytes: int = 0) -> Memory:
    """The fullest of a pipeline's first and last stage; the only one without a pipeline."""
    stages = {0, layout.pp - 1}
    memories = [_stage_memory(layout, model, policy, stage) for stage in sorted(stages)]
    fullest = max(memories, key=lambda memory: memory.total_bytes)
    return replace(fullest, context_bytes=context_bytes)


def largest_fitting(
    layout: Layout, model: ModelShape, policy: Policy, gpu: Gpu, capacity_bytes: int
) -> dict[str, int | None]:
    """Largest batch and sequence (a multiple of 128 a rank) that fit; None: none does."""
    unit = 128 * layout.tp * layout.cp

    def fits(changed: ModelShape) -> bool:
        return rank_memory(layout, changed, policy, gpu.context_bytes).total_bytes <= capacity_bytes

    batch = _largest(lambda size: fits(replace(model, batch=size)))
    seq = _largest(lambda size: fits(replace(model, seq=size * unit)))
    return {"batch": batch, "seq": None if seq is None else seq * unit}


def _largest(fits: object) -> int | None:
    """The largest size that fits, by doubling and halving; memory grows with it."""
    assert callable(fits)
    if not fits(1):
        return None
    low, high = 1, 2
    while high < 2**40 and fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def stage_parameters(layout: Layout, model: ModelShape, policy: Policy, stage: int) -> int:
    """Parameters one rank of a pipeline stage holds."""
    whole = rank_parameters(layout, model)
    is_first, is_last = stage == 0, stage == layout.pp - 1
    matrix = model.vocab * model.hidden // layout.tp
    final = whole.final - (matrix if policy.tied and is_first else 0)
    edges = (whole.embedding if is_first else 0) + (final if is_last else 0)
    return whole.layer * (model.layers // layout.pp) + edges


def _stage_memory(layout: Layout, model: ModelShape, policy: Policy, stage: int) -> Memory:
    parameters = stage_parameters(layout, model, policy, stage)
    ranks = layout.dp * layout.cp
    sharded = ranks if layout.dp_kind in {"zero1", "fsdp2"} else 1
    everything = ranks if layout.dp_kind == "fsdp2" else 1
    local = replace(model, seq=model.seq // layout.cp, layers=model.layers // layout.pp)
    working = [_live_layer(layout, local, policy)]
    if stage == layout.pp - 1:
        working.append(_logits(layout, local, policy))
    in_flight: float = min(layout.pp - stage, model.microbatches)
    if layout.vpp > 1:  # Korthikanti et al. 2022, section 4.2.3
        in_flight *= 1 + (layout.pp - 1) / (layout.pp * layout.vpp)
    return Memory(
        weights_bytes=parameters * DTYPE_BYTES[model.dtype] // everything,
        gradients_bytes=parameters * policy.gradient_bytes(model) // everything,
        optimizer_bytes=parameters * policy.optimizer_bytes(model) // sharded,
        activations_bytes=tuple(
            (name, round(size * in_flight)) for name, size in _saved(layout, local, policy).items() if size
        ),
        working=max(working, key=lambda item: item[1]),
    )


def _saved(layout: Layout, local: ModelShape, policy: Policy) -> dict[str, float]:
    recomputed = recomputed_layers(layout, local)
    parts = part_bytes(layout, local, policy)
    saved = {name: (local.layers - recomputed) * size for name, size in parts.items()}
    saved["inputs of recomputed layers"] = recomputed * checkpoint_bytes(layout, local)
    assert round(sum(saved.values())) == round(activation_bytes(layout, local, policy))
    return saved


def _logits(layout: Layout, local: ModelShape, policy: Policy) -> tuple[str, int]:
    """Logits, their gradient (and fp32 unless fused), the head's input whole, its weight's gradient."""
    tokens, size = local.seq * local.batch, DTYPE_BYTES[local.dtype]
    each = 2 * size if policy.fused_loss else 2 * size + 4
    logits = tokens * local.vocab * each / layout.tp
    return "logits and head", round(
        logits + tokens * local.hidden * size + local.vocab * local.hidden * size / layout.tp
    )


def _live_layer(layout: Layout, local: ModelShape, policy: Policy) -> tuple[str, int]:
    """Gradients inside the MLP and of its largest weight; with full recompute what the layer saves again."""
    tokens, size = local.seq * local.batch, DTYPE_BYTES[local.dtype]
    is_llama = local.family == "llama"
    gradients = tokens * (3 if is_llama else 2) * local.ffn * size / layout.tp
    weight = (2 if is_llama else 1) * local.hidden * local.ffn * size / layout.tp
    again = layer_bytes(layout, local, policy) if recomputed_layers(layout, local) else 0.0
    return "live layer", round(gradients + weight + again)
