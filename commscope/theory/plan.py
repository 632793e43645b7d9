"""What a layout will cost before the node is rented: Layout, ModelShape and Machine -> Plan.

The time is a bracket, not a promise: with every collective hidden behind compute, and with none
hidden. What lies between is what a trace tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from commscope.errors import UsageProblem
from commscope.theory.flops import Flops, step_flops
from commscope.theory.memory import Memory, rank_memory
from commscope.theory.network import LINKS, Link, volume_time_ns
from commscope.theory.parameters import Parameters, rank_parameters
from commscope.theory.volume import VolumeRow, step_volume
from commscope.trace import Layout, ModelShape

# Dense peak of one GPU without sparsity in bf16 (V100: fp16), TFLOP/s, from NVIDIA's data sheets.
PEAK_TFLOPS = {"v100": 125.0, "a100": 312.0, "h100": 989.0, "h200": 989.0, "b200": 2250.0}
DEFAULT_EFFICIENCY = 0.5


@dataclass(frozen=True, slots=True)
class Machine:
    """What the ranks run on."""

    peak_tflops: float = PEAK_TFLOPS["h100"]
    efficiency: float = DEFAULT_EFFICIENCY  # of the peak, while computing
    tp_link: Link = LINKS["h100-nvlink"]
    dp_link: Link = LINKS["ib-ndr"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One layout's closed forms, per rank and step."""

    layout: Layout
    model: ModelShape
    machine: Machine
    volume: tuple[VolumeRow, ...]
    memory: Memory
    parameters: Parameters
    flops: Flops  # of one replica
    compute_ns: float
    communication_ns: float

    @property
    def wire_bytes(self) -> int:
        """Ring-model bytes one rank sends in a step."""
        return sum(row.total_wire_bytes for row in self.volume)

    @property
    def payload_bytes(self) -> int:
        """Payload of all collectives of a step."""
        return sum(row.total_payload_bytes for row in self.volume)

    @property
    def all_hidden_ns(self) -> float:
        """Step time if communication hides behind compute as far as it can."""
        return max(self.compute_ns, self.communication_ns)

    @property
    def none_hidden_ns(self) -> float:
        """Step time if all communication is exposed."""
        return self.compute_ns + self.communication_ns


def plan(layout: Layout, model: ModelShape, machine: Machine | None = None) -> Plan:
    """Volume, memory, operations and a bracket of the step time of one layout."""
    machine = machine or Machine()
    check_divides(layout, model)
    volume = step_volume(layout, model)
    flops = step_flops(layout, model)
    links = {"tp": machine.tp_link, "dp": machine.dp_link}
    return Plan(
        layout=layout,
        model=model,
        machine=machine,
        volume=volume,
        memory=rank_memory(layout, model),
        parameters=rank_parameters(layout, model),
        flops=flops,
        compute_ns=flops.hardware / layout.tp / (machine.peak_tflops * 1e3 * machine.efficiency),
        communication_ns=volume_time_ns(volume, links),
    )


def check_divides(layout: Layout, model: ModelShape) -> None:
    """Refuse a layout whose ranks would not get equal parts."""
    parts = {"hidden": model.hidden, "heads": model.heads, "ffn": model.ffn, "vocab": model.vocab}
    if layout.sp:
        parts["seq"] = model.seq
    for name, size in parts.items():
        if size % layout.tp:
            raise UsageProblem(
                f"{name} {size} does not divide by tp {layout.tp}",
                hint=f"choose a tp that divides {name}, or a {name} that is a multiple of {layout.tp}",
            )
