"""What a run says of its machine, in the terms of a data sheet: Machine -> rows of name, number, and what of.

FLOP/s of products by closed form over the time they took; bytes a second of what is bound by memory, by the
closed form of theory; the host's time between operators of a layer; each collective's latency and rate.
"""

from __future__ import annotations

from dataclasses import dataclass

from commscope.forecast.layouts import BACKWARD, FORWARD, Machine
from commscope.forecast.products import largest
from commscope.forecast.work import Work
from commscope.schema import CAPTURE
from commscope.theory.flops import core_attention_flops, layer_forward_flops
from commscope.theory.layer_time import bound_bytes

_MOST_SHAPES = 12


@dataclass(frozen=True, slots=True)
class Rate:
    """One constant of the machine."""

    name: str
    value: float
    unit: str  # flops_per_ns | bytes_per_ns | ns
    measured_on: str


def rates_of(machine: Machine) -> tuple[Rate, ...]:
    """Everything the run tells; what it does not is left out."""
    return (*_compute(machine), *_host(machine), *_network(machine))


def _compute(machine: Machine) -> list[Rate]:
    model, t = machine.model, machine.layout.tp
    core, layer = core_attention_flops(model), layer_forward_flops(model)
    times = model.layers * model.microbatches / t
    found = []
    for phase, factor in ((FORWARD, 1), (BACKWARD, 2)):
        for kind, flops in ((Work.PRODUCTS, layer - core), (Work.CORE, core)):
            spent = machine.work.get((phase, True, kind), 0)
            if spent:
                rate = factor * flops * times / spent
                found.append(Rate(f"{kind}, {phase}", rate, "flops_per_ns", f"{phase} of all layers"))
    found += [
        Rate(f"product {one.words}", one.flops / one.each_ns, "flops_per_ns", f"{one.count} calls")
        for one in largest(machine.products, _MOST_SHAPES)
    ]
    whole, split = bound_bytes(model)
    moved = (whole / (t if machine.layout.sp else 1) + split / t) * model.layers * model.microbatches
    kinds = (Work.WHOLE, Work.SPLIT, Work.MIXED)
    spent = sum(machine.work.get((FORWARD, True, kind), 0) for kind in kinds)
    if spent:
        found.append(Rate("memory-bound work", moved / spent, "bytes_per_ns", "forward of all layers"))
    return found


def _host(machine: Machine) -> list[Rate]:
    """Time of the host between operators, a layer, forward and backward."""
    graph = machine.graph
    spent = sum(
        int(weight)
        for weight, place in zip(graph.weight_ns.tolist(), graph.label.tolist(), strict=True)
        if weight > 0 and graph.labels[place].kind == "host" and graph.labels[place].layer is not None
    )
    steps = sum(window.name != CAPTURE for window in machine.analysis.windows)
    ranks = len(machine.analysis.skeletons)
    if not spent:
        return []
    each = spent / steps / ranks / machine.model.layers
    return [Rate("host between operators of a layer", each, "ns", "forward and backward")]


def _network(machine: Machine) -> list[Rate]:
    found = []
    for kind, line in machine.transfers.lines.items():
        sizes = sorted({size for name, size, _ in machine.transfers.medians_ns if name == kind})
        of = f"transfers of {len(sizes)} payload{'s' * (len(sizes) != 1)}"
        found.append(Rate(f"{kind}, a step of the ring", line.step_ns, "ns", of))
        if line.byte_ns > 0:
            found.append(Rate(f"{kind}, wire bytes", 1 / line.byte_ns, "bytes_per_ns", of))
    return found
