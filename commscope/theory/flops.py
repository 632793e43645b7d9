"""Closed forms of arithmetic: Layout and ModelShape -> floating point operations of one step.

Korthikanti et al. 2022, appendix A: a matrix product of m x k and k x n is 2mkn operations,
backward is twice forward, and attention scores are counted whole (no saving for causal masks). For
gpt with ffn = 4h this is 72 B L s h^2 (1 + s/6h + v/12hL). Hardware operations add what is
recomputed. The paper's equation 8 for selective recompute, 1 + s/3h, adds s/6h; its own prose
(4Bs^2h more a layer) gives s/18h, so 1 + 2s/9h: that is used here. Its published hardware
utilisations follow equation 8.
"""

from __future__ import annotations

from dataclasses import dataclass

from commscope.theory.parameters import qkv_width
from commscope.theory.tensor_parallel import recomputed_layers
from commscope.trace import Layout, ModelShape

BACKWARD_TO_FORWARD = 2


@dataclass(frozen=True, slots=True)
class Flops:
    """Operations of one step over all ranks of one model replica."""

    model: int  # what the model needs
    hardware: int  # with what is computed twice


def step_flops(layout: Layout, model: ModelShape) -> Flops:
    """Operations of one data-parallel replica in one step."""
    layers = model.layers * layer_forward_flops(model)
    forward = layers + head_forward_flops(model)
    needed = (1 + BACKWARD_TO_FORWARD) * forward
    repeated = recomputed_layers(layout, model) * layer_forward_flops(model)
    if layout.recompute == "selective":
        repeated = model.layers * core_attention_flops(model)
    m = model.microbatches
    return Flops(model=m * needed, hardware=m * (needed + repeated))


def layer_forward_flops(model: ModelShape) -> int:
    """QKV, scores and context, projection, MLP (three products where it is gated) of one microbatch."""
    tokens, h = model.seq * model.batch, model.hidden
    products = 3 if model.family == "llama" else 2
    weights = h * qkv_width(model) + h * h + products * h * model.ffn
    return 2 * tokens * weights + core_attention_flops(model)


def core_attention_flops(model: ModelShape) -> int:
    """Scores and context: 4 B s^2 h."""
    return 4 * model.batch * model.seq**2 * model.hidden


def head_forward_flops(model: ModelShape) -> int:
    """Logits: 2 B s h v."""
    return 2 * model.batch * model.seq * model.hidden * model.vocab
