"""A metric in words: Metric -> what a tile or a table row says. The numbers are the comparison's own."""

from __future__ import annotations

from commscope.compare import Metric
from commscope.units import ABSENT, format_bytes, format_count, format_flops, format_percent, format_time

_TITLES = {
    "step.time": "Step time",
    "compute.time": "Compute",
    "copy.time": "Copies",
    "idle.time": "Idle and host-bound",
    "communication.exposed_wait": "Exposed wait",
    "communication.exposed_transfer": "Exposed transfer",
    "communication.sent_bytes": "Bytes the sockets sent",
    "communication.exposed": "Exposed communication",
    "communication.overlapped": "Overlapped communication",
    "communication.wire_bytes": "Wire bytes per rank and step",
    "communication.payload_bytes": "Payload bytes per rank and step",
    "collective.count": "Collectives per rank and step",
    "compute.ops": "Operators per rank and step",
    "compute.flops": "Floating point operations per rank and step",
    "stall.blocking": "Stall on the critical path",
    "memory.peak": "Peak memory",
}
_FORMATS = {"ns": format_time, "bytes": format_bytes, "count": format_count, "flop": format_flops}
_STATUS_WORDS = {"within-noise": "within noise", "not-comparable": "not comparable"}

TILES = ("step.time", "communication.exposed", "communication.wire_bytes", "stall.blocking", "memory.peak")


def is_headline(metric: Metric) -> bool:
    """Whether a metric is a whole of the measured step, not a part of one and not theory."""
    return "/" not in metric.metric and not metric.metric.startswith("theory.")


def title_of(name: str) -> str:
    """A metric's name for people; a part of one keeps its path behind it."""
    whole, _, part = name.partition("/")
    title = _TITLES.get(whole, whole)
    return f"{title}: {part.replace('/', ', ')}" if part else title


def value_words(metric: Metric, value: float | None) -> str:
    """A value of the metric in its unit, or why it is absent."""
    if value is None:
        return metric.why or ABSENT
    return _FORMATS.get(metric.unit, str)(value)


def change_words(metric: Metric) -> str:
    """The difference in words: `−6.1 % better`, `same`, `missing`."""
    status = "not shown" if metric.doubt else _STATUS_WORDS.get(metric.status, metric.status)
    if metric.change is None or metric.status in {"same", "missing", "not-comparable"}:
        return status
    return f"{format_percent(metric.change, signed=True).replace('-', '−')} {status}"


def noise_words(metric: Metric) -> str:
    """The spread a change must exceed to count."""
    if metric.kind == "exact":
        return "exact"
    return "noise unknown" if metric.noise is None else f"noise ±{format_percent(metric.noise)}"
