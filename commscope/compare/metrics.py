"""Metrics of a comparison: recordings of both sides -> one Metric each, with change, noise and status.

Exact metrics: any difference counts. A time counts only by the rule of `decision`, which needs three
recordings a side; with fewer, or where other programs kept the machine busy, it is not shown to differ, and
`doubt` says why. A step time must also be borne out by the profiled steps or a part of them. Everything is
symmetric: swapping the sides swaps better and worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import expm1, log, log1p

from commscope.analysis.result import Analysis
from commscope.analysis.summary import phases_present
from commscope.compare.decision import (
    Decision,
    Sample,
    corroborated,
    decide_either_way,
)
from commscope.compare.measures.measurement import PROFILED, UNPROFILED, Measurement
from commscope.compare.measures.moved import why_phase_is_absent
from commscope.compare.recordings import Recordings
from commscope.compare.result import Metric

STEP_TIME = "step.time"
WITNESSES = (PROFILED, "compute.time", "communication.exposed", "copy.time", "idle.time")
PARTS_ASKED = 8  # times besides the step that a person reads at once
FEWEST_RUNS, FEWEST_STEPS = 3, 3
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
    "compute.ops",
    "compute.flops",
    "memory.peak",
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which kinds of metric can be held against each other, and why times say nothing, if so."""

    timed: bool
    exact: bool
    doubt: str = ""


def metrics_of(baseline: Recordings, candidate: Recordings, allowed: Allowed) -> tuple[Metric, ...]:
    """All metrics of either side, in a fixed order."""
    sides = (baseline, candidate)
    source = UNPROFILED if all(side.has(UNPROFILED) for side in sides) else PROFILED
    before, after = (_with_step_time(side.merged(), source) for side in sides)
    names = sorted({*before, *after} - {PROFILED, UNPROFILED}, key=_place)
    found = []
    for name in names:
        old = _found(baseline.typical, before, name, after)
        new = _found(candidate.typical, after, name, before)
        if old.kind == "timed" and old.unit == "ns":
            found.append(_time(old, new, sides, source, allowed))
        else:
            found.append(_amount(old, new, allowed))
    return tuple(found)


def _place(name: str) -> tuple[int, str]:
    head = name.split("/", maxsplit=1)[0]
    return (
        ORDER.index(name) if name in ORDER else len(ORDER) + (ORDER.index(head) if head in ORDER else 99),
        name,
    )


def _with_step_time(measured: dict[str, Measurement], source: str) -> dict[str, Measurement]:
    return {**measured, STEP_TIME: replace(measured[source], metric=STEP_TIME)}


def _found(
    analysis: Analysis, measured: Mapping[str, Measurement], name: str, other: Mapping[str, Measurement]
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
        why = "" if phases_present(analysis) else "phases cannot be told from this trace"
    elif rest:
        why = _why_bytes_are_absent(measured, head) or why_phase_is_absent(analysis, "/" + rest)
    else:
        why = "not captured"
    return replace(there, value=None if why else 0, spread=None, by_rank={}, by_step=(), why=why)


def _why_bytes_are_absent(measured: Mapping[str, Measurement], head: str) -> str:
    total = measured.get(head)
    return "" if total is None or total.value is not None else total.why


def _time(
    before: Measurement,
    after: Measurement,
    sides: tuple[Recordings, Recordings],
    source: str,
    allowed: Allowed,
) -> Metric:
    """A time of both sides, shown to differ or not."""
    name = source if before.metric == STEP_TIME else before.metric
    row = _row(before, after)
    if row.status == "missing":
        return row
    if not allowed.timed:
        return replace(row, status="not-comparable")
    old, new = (side.sample(name) if side.values(name) else Sample((0.0,)) for side in sides)
    decision = _decision(name, (old, new), sides)
    row = replace(row, noise=expm1(decision.allowed), by_run=(old.values, new.values))
    doubt = allowed.doubt or _few((old, new), (before, after)) or decision.doubt
    is_shown = decision.direction != 0 and not doubt
    if before.value == after.value:
        return row
    if not is_shown:
        return replace(row, status="within-noise", doubt=doubt or "recordings of one side differ as much")
    is_better = (decision.direction > 0) == (before.metric in MORE_IS_BETTER)
    return replace(row, status="better" if is_better else "worse")


def _decision(name: str, samples: tuple[Sample, Sample], sides: tuple[Recordings, Recordings]) -> Decision:
    step_ns = max(max(side.values(PROFILED), default=0.0) for side in sides)
    is_step = name in {PROFILED, UNPROFILED}
    decision = decide_either_way(*samples, step_ns, questions=1 if is_step else PARTS_ASKED)
    if name != UNPROFILED:
        return decision
    old, new = sides
    told = [other for other in WITNESSES if old.has(other) and new.has(other)]
    witnesses = [decide_either_way(old.sample(other), new.sample(other), step_ns) for other in told]
    return corroborated(decision, witnesses)


def _few(samples: tuple[Sample, Sample], measured: tuple[Measurement, Measurement]) -> str:
    """Recordings or steps too few for any test to decide."""
    runs = min(len(sample.values) for sample in samples)
    if runs < FEWEST_RUNS:
        return few_recordings(runs)
    steps = min(one.steps for one in measured)
    return f"{steps} of {FEWEST_STEPS} steps a recording are too few" if 0 < steps < FEWEST_STEPS else ""


def few_recordings(runs: int) -> str:
    """Why so few recordings a side decide nothing."""
    told = "one recording" if runs == 1 else f"{runs} recordings"
    return f"{told} a side cannot tell from chance, {FEWEST_RUNS} can"


def _amount(before: Measurement, after: Measurement, allowed: Allowed) -> Metric:
    """Counts and bytes, and memory, which repeats to within a floor."""
    row = _row(before, after)
    if row.status == "missing":
        return row
    if not (allowed.timed if before.kind == "timed" else allowed.exact):
        return replace(row, status="not-comparable")
    if before.metric == "memory.peak" and before.basis != after.basis:
        why = f"measured as {before.basis} and as {after.basis}"
        return replace(row, status="not-comparable", why=why)
    old, new = before.value or 0, after.value or 0
    if old == new:
        return row
    floor = None if before.kind == "exact" else MEMORY_FLOORS.get(before.basis, MEMORY_FLOOR)
    row = replace(row, noise=floor)
    if floor is not None and old and new and abs(log(new / old)) <= log1p(floor):
        return replace(row, status="within-noise")
    is_better = (new > old) == (before.metric in MORE_IS_BETTER)
    return replace(row, status="better" if is_better else "worse")


def _row(before: Measurement, after: Measurement) -> Metric:
    """What both measured: missing where one did not, else the same until shown otherwise."""
    old, new = before.value, after.value
    return Metric(
        metric=before.metric,
        kind=before.kind,
        unit=before.unit,
        baseline=old,
        candidate=new,
        change=new / old - 1 if old and new is not None else (0.0 if old == new == 0 else None),
        noise=None,
        status="missing" if old is None or new is None else "same",
        why="; ".join(dict.fromkeys(reason for reason in (before.why, after.why) if reason)),
        basis=before.basis if before.basis == after.basis else f"{before.basis} and {after.basis}",
    )
