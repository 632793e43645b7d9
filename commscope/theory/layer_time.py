"""How long one layer takes on one rank: matrix products, what is bound by memory, exposed communication.

A matrix product of f operations takes f / (peak x efficiency), in backward twice; flash attention
computes half of a causal matrix and its backward makes the scores again (2.5 x forward). Norms, dropout
with residuals, activations and the softmax of kept scores move bytes at a share of the nominal memory
rate; backward moves twice as many. Forward collectives are exposed. In backward Megatron starts the input
gradient's collective before the weight's gradient, and SP's second gather before the input's: each hides
behind that product. Checked against Korthikanti et al. 2022, table 4 (docs/plan.md).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from commscope.schema import DTYPE_BYTES, Collective
from commscope.theory.flops import core_attention_flops
from commscope.theory.gpus import Gpu
from commscope.theory.network import collective_time, neighbours
from commscope.theory.parameters import qkv_width
from commscope.theory.policy import Policy
from commscope.theory.tensor_parallel import activation_bytes, keeps_gathered
from commscope.trace import Layout, ModelShape
from commscope.units import NS_PER_US

_FLASH_BACKWARD, _PLAIN_BACKWARD = 2.5, 2.0
_BACKWARD_BYTES = 2
_LOSS_BYTES = {True: 10, False: 24}  # moved for each logit, forward and backward, by a fused loss or not


@dataclass(frozen=True, slots=True)
class Times:
    """Nanoseconds one after the other on one rank."""

    compute_ns: float = 0.0
    memory_ns: float = 0.0
    exposed_ns: float = 0.0

    @property
    def total_ns(self) -> float:
        """All of it."""
        return self.compute_ns + self.memory_ns + self.exposed_ns

    def __add__(self, other: Times) -> Times:
        return Times(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def times(self, factor: float) -> Times:
        """So many of the same."""
        return Times(*(getattr(self, field.name) * factor for field in fields(self)))


@dataclass(frozen=True, slots=True)
class LayerTime:
    """One layer and microbatch; `recompute` is what runs again in backward."""

    forward: Times
    backward: Times
    recompute: Times

    @property
    def total(self) -> Times:
        """All three."""
        return self.forward + self.backward + self.recompute


@dataclass(frozen=True, slots=True)
class Rank:
    """What one rank computes with; `model.seq` is its share under context parallelism, `whole_seq` is not."""

    layout: Layout
    model: ModelShape
    policy: Policy
    gpu: Gpu
    whole_seq: int

    def product_ns(self, flops: float, count: int = 1) -> float:
        """Time of `count` matrix products that the tensor-parallel ranks share."""
        start_ns = count * self.gpu.product_start_us * NS_PER_US
        return start_ns + flops / self.layout.tp / (self.gpu.peak_tflops * 1e3 * self.gpu.efficiency)

    def moved_ns(self, size_bytes: float) -> float:
        """Time to move bytes of device memory."""
        return size_bytes / (self.gpu.memory_gbps * self.gpu.memory_share)

    def collective_ns(self, collective: Collective, payload_bytes: int) -> float:
        """Time of one collective of the tensor-parallel group."""
        group = neighbours(self.layout.tp, self.gpu)
        return collective_time(collective, payload_bytes, group, self.gpu).time_ns


def layer_time(rank: Rank, *, is_recomputed: bool) -> LayerTime:
    """Forward, backward and recompute of one layer."""
    model, flash = rank.model, rank.policy.attention == "flash"
    tokens = model.seq * model.batch
    weights = sum(_matrices(model))
    core = core_attention_flops(model) * rank.whole_seq // model.seq
    core_ns = rank.product_ns(core / 2, 1) if flash else rank.product_ns(core, 2)
    linear_ns = rank.product_ns(2 * tokens * weights, 4)
    moved_ns = rank.moved_ns(_forward_bytes(rank))
    forward = Times(linear_ns + core_ns, moved_ns, _forward_exposed_ns(rank))
    factor = _FLASH_BACKWARD if flash else _PLAIN_BACKWARD
    backward = Times(2 * linear_ns + factor * core_ns, _BACKWARD_BYTES * moved_ns, _backward_exposed_ns(rank))
    recompute = Times()
    if is_recomputed:
        recompute = forward
    elif rank.layout.recompute == "selective":
        recompute = Times(core_ns, rank.moved_ns(0 if flash else _scores_bytes(rank)))
    return LayerTime(forward, backward, recompute)


def edge_time(rank: Rank) -> Times:
    """Embedding, head and loss of one microbatch, forward and backward."""
    model, layout = rank.model, rank.layout
    tokens = model.seq * model.batch
    moved = tokens * model.vocab * _LOSS_BYTES[rank.policy.fused_loss] / layout.tp
    whole = activation_bytes(model)
    gather_ns = rank.collective_ns(Collective.ALL_GATHER, whole)
    reduce_ns = rank.collective_ns(Collective.ALL_REDUCE, whole)
    exposed_ns = reduce_ns + (3 * gather_ns if layout.sp else reduce_ns)
    return Times(
        rank.product_ns(6 * tokens * model.hidden * model.vocab, 3), rank.moved_ns(moved), exposed_ns
    )


def _matrices(model: ModelShape) -> tuple[int, int, int, int]:
    """Elements of QKV, projection, up (and gate), down."""
    ups = 2 if model.family == "llama" else 1
    h = model.hidden
    return h * qkv_width(model), h * h, ups * h * model.ffn, h * model.ffn


def _forward_bytes(rank: Rank) -> float:
    """Norms, residual sums (for gpt with dropout and its mask), the activation, rotary positions, scores."""
    layout, flash = rank.layout, rank.policy.attention == "flash"
    whole, wide = bound_bytes(rank.model, drops=rank.policy.dropout)
    scores = 0 if flash else _scores_bytes(rank)
    return whole / (layout.tp if layout.sp else 1) + wide / layout.tp + scores


def bound_bytes(model: ModelShape, *, drops: bool = False) -> tuple[float, float]:
    """Bytes a layer's forward moves beside its products: on whole tokens, and on what TP splits."""
    size, tokens = DTYPE_BYTES[model.dtype], model.seq * model.batch
    masks = drops and model.family == "gpt"
    whole = tokens * model.hidden * (4 * size + 2 * (3 * size + masks))
    if model.family == "llama":
        wide = size * (3 * model.ffn + 2 * (qkv_width(model) + model.hidden) / 2)
    else:
        wide = size * 2 * model.ffn
    return whole, tokens * wide


def _scores_bytes(rank: Rank) -> float:
    """Softmax and dropout over the matrix of scores, each reads and writes it."""
    model = rank.model
    each = 4 * DTYPE_BYTES[model.dtype] + 1
    return model.heads * model.seq * rank.whole_seq * model.batch * each / rank.layout.tp


def _forward_exposed_ns(rank: Rank) -> float:
    whole = activation_bytes(rank.model)
    if not rank.layout.sp:
        return 2 * rank.collective_ns(Collective.ALL_REDUCE, whole)
    gather, scatter = Collective.ALL_GATHER, Collective.REDUCE_SCATTER
    return 2 * (rank.collective_ns(gather, whole) + rank.collective_ns(scatter, whole))


def _backward_exposed_ns(rank: Rank) -> float:
    """What the weight's and the input's gradients of QKV and up do not hide."""
    model, layout = rank.model, rank.layout
    whole = activation_bytes(model)
    reduce_ns = rank.collective_ns(Collective.ALL_REDUCE, whole)
    gather_ns = rank.collective_ns(Collective.ALL_GATHER, whole)
    scatter_ns = rank.collective_ns(Collective.REDUCE_SCATTER, whole)
    exposed_ns = 0.0
    qkv, _, up, _ = _matrices(model)
    for matrix in (qkv, up):
        hidden_ns = rank.product_ns(2 * model.seq * model.batch * matrix) if rank.gpu.hides_backward else 0.0
        if not layout.sp:
            exposed_ns += max(0.0, reduce_ns - hidden_ns)
            continue
        again_ns = 0.0 if keeps_gathered(layout) else max(0.0, gather_ns - hidden_ns)
        exposed_ns += gather_ns + again_ns + max(0.0, scatter_ns - hidden_ns)
    return exposed_ns
