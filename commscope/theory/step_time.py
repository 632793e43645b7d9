"""How long a step takes: Layout, ModelShape, Policy and Gpu -> parts, what limits it, and an interval.

One stage's microbatch is its layers and edges, or the time its host needs to launch them if that is more: no
step of the 18 on H100 with small layers was quicker than 4.6 ms a layer whatever TP was. A pipeline of p
stages takes all stages once and the slowest m - 1 times more (Narayanan et al. 2021, figure 3); in v
interleaved parts its bubble is a v-th. Then come
the gradients' collectives over data-parallel ranks, not hidden, and the optimizer at the memory rate. The
interval is the worst relative residual of the steps the GPU's constants were set by; where none were,
it is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from commscope.schema import DTYPE_BYTES, Collective
from commscope.theory.gpus import Gpu
from commscope.theory.layer_time import Rank, Times, edge_time, layer_time
from commscope.theory.memory import stage_parameters
from commscope.theory.network import collective_time, neighbours
from commscope.theory.policy import Policy
from commscope.theory.tensor_parallel import recomputed_layers
from commscope.trace import Layout, ModelShape
from commscope.units import NS_PER_MS

_UPDATE_BYTES = (
    30  # Adam on one owned parameter: gradient, master and two moments read, three and the weight written
)
_GRADIENT_BYTES = 12  # of every parameter: zeroed, summed into, and its norm


@dataclass(frozen=True, slots=True)
class StepTime:
    """A predicted step: the parts add up to it."""

    parts_ns: dict[str, float]
    residual: float
    recompute_ns: float  # of all layers of the slowest stage and one microbatch

    @property
    def time_ns(self) -> float:
        """The step."""
        return sum(self.parts_ns.values())

    @property
    def low_ns(self) -> float:
        """The step less the residual."""
        return self.time_ns * (1 - self.residual)

    @property
    def high_ns(self) -> float:
        """The step and the residual."""
        return self.time_ns * (1 + self.residual)

    @property
    def limited_by(self) -> str:
        """Host launches where the device waits for them, else the largest of the device's kinds of time."""
        parts = self.parts_ns
        if parts["host launches"] > 0:
            return "host launches"
        kinds = {
            "compute": parts["compute"],
            "network": parts["exposed communication"] + parts["data parallel"],
            "memory rate": parts["memory-bound"] + parts["optimizer"],
        }
        return max(kinds, key=lambda kind: kinds[kind])


def step_time(layout: Layout, model: ModelShape, policy: Policy, gpu: Gpu) -> StepTime:
    """One step of one rank of the slowest stage, and the bubble before and after it."""
    stages = [_stage(layout, model, policy, gpu, stage) for stage in range(layout.pp)]
    slowest, floor_ns, recompute_ns = max(stages, key=lambda stage: max(stage[0].total_ns, stage[1]))
    spans = [max(times.total_ns, floor) for times, floor, _ in stages]
    m = model.microbatches
    parts = {
        "compute": m * slowest.compute_ns,
        "memory-bound": m * slowest.memory_ns,
        "exposed communication": m * slowest.exposed_ns,
        "host launches": m * max(0.0, floor_ns - slowest.total_ns),
        "pipeline bubble": (sum(spans) - max(spans)) / layout.vpp,
        "data parallel": _data_parallel_ns(layout, model, policy, gpu),
        "optimizer": _optimizer_ns(layout, model, policy, gpu),
    }
    return StepTime(parts, gpu.residual, recompute_ns)


def rank_of(layout: Layout, model: ModelShape, policy: Policy, gpu: Gpu) -> Rank:
    """One rank's share: a part of the sequence, the layers of one stage."""
    local = replace(model, seq=model.seq // layout.cp, layers=model.layers // layout.pp)
    return Rank(layout, local, policy, gpu, model.seq)


def _stage(
    layout: Layout, model: ModelShape, policy: Policy, gpu: Gpu, stage: int
) -> tuple[Times, float, float]:
    """Device time, host time and recompute of one microbatch on one stage."""
    rank = rank_of(layout, model, policy, gpu)
    again = recomputed_layers(layout, rank.model)
    plain = layer_time(rank, is_recomputed=False).total.times(rank.model.layers - again)
    recomputed = layer_time(rank, is_recomputed=True)
    times = plain + recomputed.total.times(again)
    if stage == layout.pp - 1:
        times += edge_time(rank)
    launched = rank.model.layers + again / 3  # a forward is a third of what a layer launches
    recompute_ns = recomputed.recompute.times(again).total_ns
    return times, launched * gpu.host_ms_per_layer * NS_PER_MS, recompute_ns


def _data_parallel_ns(layout: Layout, model: ModelShape, policy: Policy, gpu: Gpu) -> float:
    size = layout.dp * layout.cp
    if size == 1:
        return 0.0
    group = neighbours(size, gpu, layout.tp)
    parameters = stage_parameters(layout, model, policy, 0)
    gradients = parameters * policy.gradient_bytes(model)
    if layout.dp_kind not in {"zero1", "fsdp2"}:
        return collective_time(Collective.ALL_REDUCE, gradients, group, gpu).time_ns
    weights = parameters * DTYPE_BYTES[model.dtype]
    scatter = collective_time(Collective.REDUCE_SCATTER, gradients, group, gpu).time_ns
    return scatter + collective_time(Collective.ALL_GATHER, weights, group, gpu).time_ns


def _optimizer_ns(layout: Layout, model: ModelShape, policy: Policy, gpu: Gpu) -> float:
    parameters = stage_parameters(layout, model, policy, 0)
    owners = layout.dp * layout.cp if layout.dp_kind in {"zero1", "fsdp2"} else 1
    moved = parameters * (_UPDATE_BYTES / owners + _GRADIENT_BYTES)
    return moved / (gpu.memory_gbps * gpu.memory_share)
