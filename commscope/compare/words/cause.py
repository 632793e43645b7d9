"""Why the profiled step changed: Comparison -> the part that grew, the collective behind it, overlap lost.

The parts of a step (compute, exposed communication, copies, idle) sum to it, so each part's change is a
share of the step's. Whether the change is more than chance is for the rule of `decision` to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from commscope.analysis.result import Analysis
from commscope.compare.measures.measurement import study_windows
from commscope.compare.measures.timed import EXPOSED
from commscope.compare.result import Comparison, Metric
from commscope.units import format_percent, format_time

SMALLEST = 0.03  # of the step: smaller changes have no cause worth a sentence
MAIN_SHARE = 0.5  # of the step's change: a part that is its cause
PARTS = {
    "compute.time": "compute",
    "communication.exposed": "exposed communication",
    "copy.time": "copies",
    "idle.time": "idle or host-bound time",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """A part of the profiled step, before and after, and how much the whole changed."""

    part: Metric
    step_change_ns: float
    collective: str = ""  # the kind whose exposed time changed most
    exposed_ns: tuple[float, float] = (0.0, 0.0)  # of that kind, before and after
    each_ns: tuple[float, float] | None = None  # median duration of one of that kind

    @property
    def change_ns(self) -> float:
        """How much the part changed."""
        return _change(self.part)


def cause_of(comparison: Comparison) -> Cause | None:
    """The part that changed most, in the direction of the step; None where nothing stands out."""
    parts = [metric for name in PARTS if (metric := comparison.metric(name)) and _is_known(metric)]
    before, after = (sum(_values(comparison, side)) for side in (0, 1))
    change = after - before
    if not before or not after or abs(change) <= SMALLEST * min(before, after):
        return None
    part = max(parts, key=lambda metric: _change(metric) / change)
    if _change(part) / change < MAIN_SHARE:
        return None
    if part.metric != "communication.exposed":
        return Cause(part, change)
    by_kind = _exposed_by_collective(comparison)
    moved = {name: (after_ns - before_ns) / change for name, (before_ns, after_ns) in by_kind.items()}
    kind = max(moved, key=moved.__getitem__, default="")
    if moved.get(kind, 0.0) <= 0:
        return Cause(part, change)
    each = [_each_ns(run, kind) for run in (comparison.baseline, comparison.candidate)]
    pair = None if each[0] is None or each[1] is None else (each[0], each[1])
    return Cause(part, change, kind, by_kind[kind], pair)


def cause_words(comparison: Comparison, cause: Cause) -> str:
    """A sentence: the part, its share of the change, the collective, and what became of overlap."""
    word = "longer" if cause.step_change_ns > 0 else "shorter"
    share = format_percent(cause.change_ns / cause.step_change_ns)
    by, whole = (format_time(abs(change)) for change in (cause.change_ns, cause.step_change_ns))
    told = f"{PARTS[cause.part.metric].capitalize()} is {by} {word}"
    told += f", {share} of the {whole} by which the profiled step is"
    if cause.collective:
        told += f": {cause.collective} exposed {_pair(*cause.exposed_ns)}"
        if cause.each_ns and cause.each_ns[0] != cause.each_ns[1]:
            told += f" (one takes {_pair(*cause.each_ns)})"
    overlap = overlap_words(comparison)
    return f"{told}{f', {overlap}' if overlap else ''}."


def short_cause(comparison: Comparison, cause: Cause) -> str:
    """The same in a few words, for the first line."""
    if not cause.collective:
        return f"{PARTS[cause.part.metric]} {_pair(cause.part.baseline, cause.part.candidate)}"
    overlap = overlap_words(comparison)
    return f"exposed {cause.collective} {_pair(*cause.exposed_ns)}{f', {overlap}' if overlap else ''}"


def overlap_words(comparison: Comparison) -> str:
    """`overlapped 10.0 ms → 0 ns`, where most of it came or went."""
    overlapped = comparison.metric("communication.overlapped")
    if overlapped is None or not _is_known(overlapped):
        return ""
    old, new = overlapped.baseline or 0.0, overlapped.candidate or 0.0
    step_ns = max(sum(_values(comparison, side)) for side in (0, 1))
    is_other = abs(new - old) >= MAIN_SHARE * max(old, new) and abs(new - old) > SMALLEST * step_ns
    return f"overlapped {_pair(old, new)}" if is_other else ""


def _values(comparison: Comparison, side: int) -> list[float]:
    found = (comparison.metric(name) for name in PARTS)
    return [(metric.baseline, metric.candidate)[side] or 0.0 for metric in found if metric is not None]


def _exposed_by_collective(comparison: Comparison) -> dict[str, tuple[float, float]]:
    """Exposed time of each kind over all phases, before and after."""
    sums: dict[str, tuple[float, float]] = {}
    for metric in comparison.metrics:
        head, _, rest = metric.metric.partition("/")
        if head == EXPOSED and _is_known(metric):
            kind = rest.split("/")[0]
            old, new = sums.get(kind, (0.0, 0.0))
            sums[kind] = (old + (metric.baseline or 0), new + (metric.candidate or 0))
    return sums


def _each_ns(analysis: Analysis, collective: str) -> float | None:
    """Median duration of one instance in the steps under study."""
    table = analysis.instances[analysis.instances["collective"] == collective]
    windows = study_windows(analysis)
    if windows != ("capture",):
        table = table[table["window"].isin(windows)]
    return float(median(table["end_ns"] - table["start_ns"])) if len(table) else None


def _change(metric: Metric) -> float:
    return (metric.candidate or 0) - (metric.baseline or 0)


def _is_known(metric: Metric) -> bool:
    return metric.baseline is not None and metric.candidate is not None


def _pair(before: float | None, after: float | None) -> str:
    return f"{format_time(before)} → {format_time(after)}"
