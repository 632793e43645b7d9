"""What a layout will cost before the node is rented: Layout, ModelShape, Policy and Gpu -> Plan.

Under context and pipeline parallelism the volume is that of one stage and of one part of the sequence; the
exchanges between stages and of keys and values are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from commscope.layouts import check_layout
from commscope.theory.flops import Flops, step_flops
from commscope.theory.gpus import GPUS, Gpu
from commscope.theory.layer_time import LayerTime, layer_time
from commscope.theory.memory import Memory, largest_fitting, rank_memory, stage_parameters
from commscope.theory.network import CollectiveTime, collective_time, neighbours
from commscope.theory.policy import Policy
from commscope.theory.rows import VolumeRow
from commscope.theory.step_time import StepTime, rank_of, step_time
from commscope.theory.tensor_parallel import recomputed_layers
from commscope.theory.volume import step_volume
from commscope.trace import Layout, ModelShape


@dataclass(frozen=True, slots=True)
class TimedRow:
    """A row of the volume and how long one of its collectives takes, alone on the network."""

    row: VolumeRow
    each: CollectiveTime

    @property
    def time_ns(self) -> float:
        """All of them one after the other."""
        return self.row.count * self.each.time_ns


@dataclass(frozen=True, slots=True)
class Plan:
    """One layout's closed forms, per rank and step."""

    layout: Layout
    model: ModelShape
    policy: Policy
    gpu: Gpu
    volume: tuple[TimedRow, ...]
    memory: Memory
    capacity_bytes: int
    largest: dict[str, int | None]  # batch and sequence that fit
    parameters: int  # of the whole model
    flops: Flops  # of one replica
    step: StepTime
    layer: LayerTime  # one layer and microbatch; recomputed where all layers are

    @property
    def fits(self) -> bool:
        """Whether the peak is within what torch may use."""
        return self.memory.total_bytes <= self.capacity_bytes

    @property
    def wire_bytes(self) -> int:
        """Bytes one rank sends in a step if all its collectives are rings."""
        return sum(timed.row.total_wire_bytes for timed in self.volume)

    @property
    def payload_bytes(self) -> int:
        """Payload of all collectives of a step."""
        return sum(timed.row.total_payload_bytes for timed in self.volume)

    @property
    def communication_ns(self) -> float:
        """All collectives one after the other, hidden or not."""
        return sum(timed.time_ns for timed in self.volume)

    @property
    def model_utilisation(self) -> float:
        """MFU: the model's operations over what all ranks' peak allows in a step."""
        return self._utilisation(self.flops.model)

    @property
    def hardware_utilisation(self) -> float:
        """HFU: with what is computed twice."""
        return self._utilisation(self.flops.hardware)

    def _utilisation(self, flops: int) -> float:
        ranks = self.layout.tp * self.layout.pp * self.layout.cp
        return flops / (ranks * self.gpu.peak_tflops * 1e3 * self.step.time_ns)


def plan(layout: Layout, model: ModelShape, policy: Policy | None = None, gpu: Gpu | None = None) -> Plan:
    """Volume, memory, operations and step time of one layout. Raises UsageProblem where it makes no sense."""
    policy, gpu = policy or Policy(), gpu or GPUS["h100"]
    check_layout(layout, model)
    alone = replace(layout, tp=1, pp=1, vpp=1)
    return Plan(
        layout=layout,
        model=model,
        policy=policy,
        gpu=gpu,
        volume=_timed_volume(layout, model, policy, gpu),
        memory=rank_memory(layout, model, policy, gpu.context_bytes),
        capacity_bytes=gpu.memory_bytes,
        largest=largest_fitting(layout, model, policy, gpu, gpu.memory_bytes),
        parameters=stage_parameters(alone, model, policy, 0),
        flops=step_flops(layout, model),
        step=step_time(layout, model, policy, gpu),
        layer=layer_time(
            rank_of(layout, model, policy, gpu), is_recomputed=recomputed_layers(layout, model) > 0
        ),
    )


def _timed_volume(layout: Layout, model: ModelShape, policy: Policy, gpu: Gpu) -> tuple[TimedRow, ...]:
    local = replace(model, seq=model.seq // layout.cp, layers=model.layers // layout.pp)
    ranks = layout.dp * layout.cp
    kind = layout.dp_kind if layout.dp_kind != "none" or ranks == 1 else "ddp"
    flat = replace(layout, pp=1, vpp=1, cp=1, dp=ranks, dp_kind=kind)
    grad_dtype = policy.grad_dtype or ("float64" if model.dtype == "float64" else "float32")
    groups = {"tp": neighbours(layout.tp, gpu), "dp": neighbours(ranks, gpu, layout.tp)}
    return tuple(
        TimedRow(row, collective_time(row.collective, row.payload_bytes, groups[row.group], gpu))
        for row in step_volume(flat, local, grad_dtype)
    )
