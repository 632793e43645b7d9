"""Metrics of a comparison: measurements of both runs -> one Metric each, with change, noise and status.

A timed change counts only beyond the noise: the larger robust spread over steps of the two runs, at least
3 % (10 % with fewer than three steps, whose spread is unknown), and at least 1 % of the step; for the step
time also by how much plain and profiled steps disagree on the change. One recording a side cannot know how
runs differ from one another; `commscope check` with several runs can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from commscope.analysis.result import Analysis
from commscope.analysis.summary import phases_present
from commscope.compare.measurement import PROFILED, UNPROFILED, Measurement
from commscope.compare.moved import why_phase_is_absent
from commscope.compare.result import Metric

STEP_TIME = "step.time"
FLOOR, FLOOR_FEW_STEPS, FEW_STEPS = 0.03, 0.10, 3
SHARE_OF_STEP = 0.01
MEMORY_FLOORS = {"cuda_allocator": 0.01, "tensors": 0.01}
MEMORY_FLOOR = 0.05
MORE_IS_BETTER = ("communication.overlapped",)
ORDER = (
    STEP_TIME,
    "compute.time",
    "communication.exposed",
    "communication.exposed_wait",
    "communication.exposed_transfer",
    "communication.overlapped",
    "copy.time",
    "idle.time",
    "stall.blocking",
    "communication.wire_bytes",
    "communication.payload_bytes",
    "communication.sent_bytes",
    "collective.count",
    "memory.peak",
)


@dataclass(frozen=True, slots=True)
class Side:
    """One run and what it measures."""

    analysis: Analysis
    measured: Mapping[str, Measurement]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which kinds of metric can be held against each other."""

    timed: bool
    exact: bool


def metrics_of(baseline: Side, candidate: Side, allowed: Allowed) -> tuple[Metric, ...]:
    """All metrics of either run, in a fixed order."""
    before, after = _with_step_time(baseline, candidate)
    step_ns = max(before[STEP_TIME].value or 0, after[STEP_TIME].value or 0)
    names = sorted({*before, *after} - {PROFILED, UNPROFILED}, key=_place)
    return tuple(
        _metric(
            _found(baseline, before, name, after), _found(candidate, after, name, before), step_ns, allowed
        )
        for name in names
    )


def _place(name: str) -> tuple[int, str]:
    head = name.split("/", maxsplit=1)[0]
    return (
        ORDER.index(name) if name in ORDER else len(ORDER) + (ORDER.index(head) if head in ORDER else 99),
        name,
    )


def _with_step_time(baseline: Side, candidate: Side) -> tuple[dict[str, Measurement], dict[str, Measurement]]:
    """`step.time` from unprofiled steps where both runs have them, else from profiled ones."""
    sides = (baseline.measured, candidate.measured)
    source = UNPROFILED if all(_has(side, UNPROFILED) for side in sides) else PROFILED
    apart = _disagreement(*sides)
    before, after = (
        {
            **side,
            STEP_TIME: replace(side[source], metric=STEP_TIME, spread=_at_least(apart, side[source].spread)),
        }
        for side in sides
    )
    return before, after


def _disagreement(before: Mapping[str, Measurement], after: Mapping[str, Measurement]) -> float:
    """How far apart the plain and the profiled steps of the same two runs put the change of the step time.

    Both measure the same programs minutes apart, so this is noise that the steps of one stretch cannot show.
    """
    ratios = [
        new / old
        for name in (UNPROFILED, PROFILED)
        if _has(before, name)
        and _has(after, name)
        and (old := before[name].value)
        and (new := after[name].value)
    ]
    return abs(ratios[0] - ratios[1]) if len(ratios) == 2 else 0.0


def _at_least(least: float, spread: float | None) -> float | None:
    return max(least, spread or 0.0) if least else spread


def _has(measured: Mapping[str, Measurement], name: str) -> bool:
    return name in measured and measured[name].value is not None


def _found(
    side: Side, measured: Mapping[str, Measurement], name: str, other: Mapping[str, Measurement]
) -> Measurement:
    """A run's measurement; one it never met is zero where the trace can tell that it is."""
    if name in measured:
        return measured[name]
    there = other[name]
    head, _, rest = name.partition("/")
    why = ""
    if head.startswith("theory."):
        closed = measured.get("theory.wire_bytes")
        why = closed.why if closed is not None else "no closed form"
    elif head == "compute.time":
        why = "" if phases_present(side.analysis) else "phases cannot be told from this trace"
    elif rest:
        why = _why_bytes_are_absent(measured, head) or why_phase_is_absent(side.analysis, "/" + rest)
    else:
        why = "not captured"
    return replace(there, value=None if why else 0, spread=None, by_rank={}, by_step=(), why=why)


def _why_bytes_are_absent(measured: Mapping[str, Measurement], head: str) -> str:
    total = measured.get(head)
    return "" if total is None or total.value is not None else total.why


def _metric(before: Measurement, after: Measurement, step_ns: float, allowed: Allowed) -> Metric:
    old, new = before.value, after.value
    change = new / old - 1 if old and new is not None else (0.0 if old == new == 0 else None)
    noise = None if before.kind == "exact" else noise_of(before, after, step_ns)
    why = "; ".join(dict.fromkeys(reason for reason in (before.why, after.why) if reason))
    status = _status(before, after, noise, step_ns)
    if status not in {"missing", "not-comparable"} and not (
        allowed.timed if before.kind == "timed" else allowed.exact
    ):
        status = "not-comparable"
    if before.basis and after.basis and before.metric == "memory.peak" and before.basis != after.basis:
        status, why = "not-comparable", f"measured as {before.basis} and as {after.basis}"
    basis = before.basis if before.basis == after.basis else f"{before.basis} / {after.basis}".strip(" /")
    return Metric(before.metric, before.kind, before.unit, old, new, change, noise, status, why, basis)


def noise_of(before: Measurement, after: Measurement, step_ns: float) -> float:
    """The relative change that two runs of the same program may show."""
    if before.metric == "memory.peak":
        return MEMORY_FLOORS.get(before.basis, MEMORY_FLOOR)
    few = min(before.steps, after.steps) < FEW_STEPS
    spreads = [side.spread for side in (before, after) if side.spread is not None]
    noise = max([FLOOR_FEW_STEPS if few else FLOOR, *spreads])
    if before.unit == "ns" and before.value:
        noise = max(noise, SHARE_OF_STEP * step_ns / before.value)
    return noise


def _status(before: Measurement, after: Measurement, noise: float | None, step_ns: float) -> str:
    old, new = before.value, after.value
    if old is None or new is None:
        return "missing"
    if old == new:
        return "same"
    if noise is not None and abs(new - old) <= _tolerated(old, noise, step_ns):
        return "within-noise"
    more_is_better = before.metric in MORE_IS_BETTER
    return "better" if (new > old) == more_is_better else "worse"


def _tolerated(old: float, noise: float, step_ns: float) -> float:
    return noise * old if old else SHARE_OF_STEP * step_ns
