"""The product's answer in one sentence: Comparison -> who is faster, what moved, who waited for whom."""

from __future__ import annotations

from collections.abc import Iterable

from commscope.analysis.result import Analysis, Stall
from commscope.analysis.summary import step_windows, typical_window
from commscope.compare.metrics import FLOOR
from commscope.compare.moved import COUNT, PAYLOAD, WIRE
from commscope.compare.result import Comparison, Metric
from commscope.compare.why_moved import why_wire_bytes_changed
from commscope.schema import Collective
from commscope.units import format_bytes, format_percent, format_time

NOT_SAID = {"missing", "not-comparable"}
SMALLEST_WAIT = 0.005  # of the step: shorter waits are not worth a clause


def run_names(comparison: Comparison) -> tuple[str, str]:
    """Both runs' names, or their paths where the names are the same."""
    before, after = comparison.baseline.run, comparison.candidate.run
    return (before.name, after.name) if before.name != after.name else (str(before.path), str(after.path))


def verdict_sentence(comparison: Comparison) -> str:
    """One sentence: time, bytes and their cause, waits, and what is not known."""
    clauses = [
        _time(comparison),
        _bytes(comparison),
        _memory(comparison),
        _waits(comparison),
        _gloo(comparison),
        _unknown(comparison),
    ]
    return "; ".join(clause for clause in clauses if clause) + "."


def _time(comparison: Comparison) -> str:
    before, after = run_names(comparison)
    if not comparison.comparable:
        breaking = [row for row in comparison.differences if row.breaks]
        what = ", ".join(f"{row.field} {row.baseline} against {row.candidate}" for row in breaking[:3])
        more = f" and {len(breaking) - 3} more" if len(breaking) > 3 else ""
        return f"{after} and {before} cannot be compared in time, for they differ in {what}{more}"
    step = comparison.metric("step.time")
    if step is None or step.baseline is None or step.candidate is None:
        why = step.why if step is not None else "not captured"
        return f"the step times of {after} and {before} cannot be compared: {why}"
    span = _span(comparison)
    times = f"{format_time(step.candidate)} against {format_time(step.baseline)} {span}"
    if step.status in {"same", "within-noise"}:
        noise = f"noise {format_percent(step.noise)}"
        if abs(step.change or 0.0) > FLOOR:
            return f"{after} is shown neither faster nor slower than {before} ({times}, {noise})"
        return f"{after} and {before} take the same time within noise ({times}, {noise})"
    word = "faster" if step.status == "better" else "slower"
    return f"{after} is {word} than {before} by {format_percent(abs(step.change or 0.0))} ({times})"


def _span(comparison: Comparison) -> str:
    stepped = all(step_windows(run) for run in (comparison.baseline, comparison.candidate))
    return "a step" if stepped else "over the whole capture"


def _bytes(comparison: Comparison) -> str:
    wire = comparison.metric(WIRE)
    if wire is None or wire.baseline is None or wire.candidate is None:
        return _counts_only(comparison, wire)
    if wire.status == "not-comparable":
        return ""
    per = "per rank and step" if _span(comparison) == "a step" else "per rank"
    if wire.status == "same":
        if wire.baseline == 0:
            return "neither communicates"
        return f"wire bytes are the same ({format_bytes(wire.baseline)} {per}){_payload_note(comparison)}"
    word = "more" if wire.candidate > wire.baseline else "fewer"
    size = f"{format_bytes(wire.candidate)} against {format_bytes(wire.baseline)} {per}"
    by = f"{format_percent(abs(wire.change))} " if wire.change is not None else ""
    return f"it moves {by}{word} wire bytes ({size}), {why_wire_bytes_changed(comparison)}"


def _memory(comparison: Comparison) -> str:
    peak = comparison.metric("memory.peak")
    if peak is None or peak.change is None or peak.status not in {"better", "worse"}:
        return ""
    word = "less" if peak.change < 0 else "more"
    sizes = f"{format_bytes(peak.candidate)} against {format_bytes(peak.baseline)}"
    return f"its memory peak is {format_percent(abs(peak.change))} {word} ({sizes})"


def _payload_note(comparison: Comparison) -> str:
    payload = comparison.metric(PAYLOAD)
    if payload is None or payload.status in {"same", *NOT_SAID} or payload.change is None:
        return ""
    change = format_percent(payload.change, signed=True)
    cause = ": an all_reduce is an all_gather and a reduce_scatter of that payload each"
    return f", though payload changes by {change}{cause if _split(comparison) else ''}"


def _split(comparison: Comparison) -> bool:
    """Whether one run reduces where the other gathers and scatters."""
    counts = {Collective.ALL_REDUCE: 0.0, Collective.ALL_GATHER: 0.0, Collective.REDUCE_SCATTER: 0.0}
    for metric in comparison.metrics:
        pieces = metric.metric.split("/")
        if pieces[0] == COUNT and len(pieces) == 3 and pieces[1] in counts:
            counts[Collective(pieces[1])] += (metric.candidate or 0) - (metric.baseline or 0)
    return counts[Collective.ALL_REDUCE] * counts[Collective.REDUCE_SCATTER] < 0


def _counts_only(comparison: Comparison, wire: Metric | None) -> str:
    """Where bytes are unknown, the number of collectives still tells something."""
    why = wire.why if wire is not None and wire.why else "not captured"
    count = comparison.metric(COUNT)
    if count is None or count.baseline is None or count.candidate is None:
        return f"wire bytes are not known: {why}"
    counts = f"{count.candidate:,g} collectives against {count.baseline:,g}"
    return f"it issues {counts}, and wire bytes are not known: {why}"


def _waits(comparison: Comparison) -> str:
    parts = [
        part
        for analysis, name in zip(
            (comparison.candidate, comparison.baseline), reversed(run_names(comparison)), strict=True
        )
        if (part := _longest_wait(analysis, name))
    ]
    if parts:
        return " and ".join(parts)
    unmatched = [a for a in (comparison.candidate, comparison.baseline) if not a.matching.matched]
    if unmatched and any(len(analysis.instances) for analysis in unmatched):
        return "who waited for whom is not known, as collectives could not be matched over the ranks"
    return ""


def _longest_wait(analysis: Analysis, name: str) -> str:
    window = typical_window(analysis)
    span_ns = max((row.span_ns for row in analysis.breakdown if row.window == window), default=0)
    stall = _largest(stall for stall in analysis.stalls if stall.window == window)
    if stall is None or stall.wait_ns < SMALLEST_WAIT * span_ns:
        return ""
    where = "a step" if step_windows(analysis) else "in all"
    waited = f"waited {format_time(stall.wait_ns)} {where} for rank {stall.culprit}"
    return f"in {name} rank {stall.victim} {waited}"


def _largest(stalls: Iterable[Stall]) -> Stall | None:
    return max(stalls, key=lambda stall: (stall.wait_ns, -stall.victim, -stall.culprit), default=None)


def _gloo(comparison: Comparison) -> str:
    runs = (comparison.baseline, comparison.candidate)
    on_gloo = [run for run in runs if run.run.backend == "gloo"]
    if not any((run.instances["collective"] == Collective.REDUCE_SCATTER).any() for run in on_gloo):
        return ""
    sent = comparison.metric("communication.sent_bytes")
    measured = ""
    if sent is not None and sent.baseline and sent.candidate:
        measured = f" (sockets: {format_bytes(sent.candidate)} against {format_bytes(sent.baseline)})"
    return f"gloo itself sends twice a ring's bytes for each reduce_scatter{measured}"


def _unknown(comparison: Comparison) -> str:
    if not comparison.unknown:
        return ""
    return f"not known to be equal: {', '.join(comparison.unknown)}"
