"""Efficiency and host time of a GPU from a few measured steps: Measured rows -> Gpu.

The row that reached most of the peak tells the efficiency: the device was its limit. What the others took
longer than that efficiency explains is charged to the host's launches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from commscope.errors import UsageProblem
from commscope.theory.gpus import Gpu
from commscope.theory.policy import Policy
from commscope.theory.step_time import step_time
from commscope.trace import Layout, ModelShape

_HALVINGS = 40
_MOST_HOST_MS = 1000.0
_SHORT = 0.99  # of the measured time: less is not rounding


@dataclass(frozen=True, slots=True)
class Measured:
    """One measured step."""

    layout: Layout
    model: ModelShape
    time_ns: float


def calibrated(gpu: Gpu, policy: Policy, rows: Sequence[Measured]) -> Gpu:
    """The GPU with the efficiency and host time that meet these steps. Raises UsageProblem without any."""
    if not rows:
        raise UsageProblem("nothing to calibrate on", hint="name at least one measured row, better two")

    idle = replace(gpu, host_ms_per_layer=0.0)
    efficiency = max(_efficiency(idle, policy, row) for row in rows)
    fitted = replace(idle, efficiency=efficiency, source="calibrated on given steps")
    late = [row for row in rows if _predicted_ns(fitted, policy, row) < _SHORT * row.time_ns]
    waits_ms = [_host_ms(fitted, policy, row) for row in late]
    host_ms = sum(waits_ms) / len(waits_ms) if waits_ms else gpu.host_ms_per_layer
    return replace(fitted, host_ms_per_layer=host_ms)


def _efficiency(gpu: Gpu, policy: Policy, row: Measured) -> float:
    return _first(
        lambda share: _predicted_ns(replace(gpu, efficiency=share), policy, row) <= row.time_ns, 1.0
    )


def _host_ms(gpu: Gpu, policy: Policy, row: Measured) -> float:
    return _first(
        lambda time_ms: _predicted_ns(replace(gpu, host_ms_per_layer=time_ms), policy, row) >= row.time_ns,
        _MOST_HOST_MS,
    )


def _predicted_ns(gpu: Gpu, policy: Policy, row: Measured) -> float:
    return step_time(row.layout, row.model, policy, gpu).time_ns


def _first(holds: Callable[[float], bool], most: float) -> float:
    """The smallest number up to `most` for which a monotone condition holds."""
    low, high = 0.0, most
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
