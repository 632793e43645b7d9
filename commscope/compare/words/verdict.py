"""The product's answer in words: Comparison -> one line, then a sentence for each thing it stands on.

The line begins with what is exact. Of times it says what the recordings show and no more.
"""

from __future__ import annotations

from collections.abc import Iterable

from commscope.analysis.result import Analysis, Stall
from commscope.analysis.summary import step_windows, typical_window
from commscope.compare.measures.moved import COUNT, PAYLOAD, WIRE
from commscope.compare.measures.work import FLOPS, OPERATORS, WORK_WORDS
from commscope.compare.result import Comparison, Metric
from commscope.compare.words.cause import cause_of, cause_words, short_cause
from commscope.compare.words.time_words import short_time, span_words, time_words
from commscope.compare.words.why_moved import why_wire_bytes_changed
from commscope.compare.words.work_words import work_sentences
from commscope.schema import Collective, Phase
from commscope.units import format_bytes, format_count, format_flops, format_percent, format_time

NOT_SAID = {"missing", "not-comparable"}
SMALLEST_WAIT = 0.005  # of the step: shorter waits are not worth a clause
LONGEST_LINE = 99


def headline_of(comparison: Comparison) -> str:
    """What is exact, then the cause of the time, then how sure the time is; as much as fits one line."""
    cause = cause_of(comparison) if comparison.comparable else None
    exact = [piece for piece in (_short_bytes(comparison), _short_memory(comparison)) if piece]
    exact = exact or [piece for piece in (_short_work(comparison),) if piece]
    caused = [] if cause is None or exact else [short_cause(comparison, cause)]
    first = exact or caused or [piece for piece in (_short_same(comparison),) if piece]
    before, after = comparison.names
    named, unnamed = f"{before} → {after}: ", f"{after}: "
    whole = "; ".join((*first, short_time(comparison)))
    choices = (named + whole, unnamed + whole, named + "; ".join(first), unnamed + "; ".join(first[:1]))
    return next((line for line in choices if len(line) < LONGEST_LINE), choices[-1]) + "."


def findings_of(comparison: Comparison) -> tuple[str, ...]:
    """Time, its cause, bytes and theirs, memory, waits, and what is not known; each a sentence."""
    cause = cause_of(comparison) if comparison.comparable else None
    clauses = [
        _bytes(comparison),
        _work(comparison),
        _memory(comparison),
        _waits(comparison),
        _gloo(comparison),
        _unknown(comparison),
    ]
    sentences = [f"{clause[0].upper()}{clause[1:]}." for clause in clauses if clause]
    caused = [cause_words(comparison, cause)] if cause else []
    return (time_words(comparison), *caused, *sentences, *work_sentences(*comparison.utilisation))


def _short_bytes(comparison: Comparison) -> str:
    wire = comparison.metric(WIRE)
    if wire is None or wire.status not in {"better", "worse"}:
        return ""
    word = "more" if (wire.candidate or 0) > (wire.baseline or 0) else "fewer"
    if wire.change is None or not wire.candidate:
        return f"{format_bytes(wire.candidate)} of wire bytes against {format_bytes(wire.baseline)}"
    return f"{format_percent(abs(wire.change))} {word} wire bytes"


def _short_memory(comparison: Comparison) -> str:
    peak = comparison.metric("memory.peak")
    if peak is None or peak.change is None or peak.status not in {"better", "worse"}:
        return ""
    return f"{format_percent(abs(peak.change))} {'less' if peak.change < 0 else 'more'} memory"


def _short_work(comparison: Comparison) -> str:
    """The arithmetic of products where it moved, else operators."""
    for total, words in ((FLOPS, "FLOP"), (OPERATORS, WORK_WORDS[OPERATORS])):
        work = comparison.metric(total)
        if work is not None and work.change is not None and work.status in {"better", "worse"}:
            return f"{format_percent(abs(work.change))} {'fewer' if work.change < 0 else 'more'} {words}"
    return ""


def _work(comparison: Comparison) -> str:
    """Operations and operators by phase, and what recompute takes."""
    told = [words for total in (FLOPS, OPERATORS) if (words := _moved_work(comparison, total))]
    again = comparison.metric(f"compute.time/{Phase.RECOMPUTE}")
    if told and again is not None and again.candidate:
        told.append(f"recompute takes {format_time(again.candidate)}")
    return "; ".join(told)


def _moved_work(comparison: Comparison, total: str) -> str:
    """`operators a step: recompute 0 → 80`."""
    rows = [row for phase in Phase if (row := comparison.metric(f"{total}/{phase}")) is not None]
    moved = [row for row in rows if row.status in {"better", "worse"}]
    form = format_flops if total == FLOPS else format_count
    told = [f"{row.metric.split('/')[1]} {form(row.baseline)} → {form(row.candidate)}" for row in moved]
    return f"{WORK_WORDS[total]} a step: {', '.join(told)}" if told else ""


def _short_same(comparison: Comparison) -> str:
    wire = comparison.metric(WIRE)
    if wire is None or wire.status in NOT_SAID:
        return ""
    return "the same wire bytes" if wire.baseline else "no communication"


def _bytes(comparison: Comparison) -> str:
    wire = comparison.metric(WIRE)
    if wire is None or wire.baseline is None or wire.candidate is None:
        return _counts_only(comparison, wire)
    if wire.status == "not-comparable":
        return ""
    per = "per rank and step" if span_words(comparison) == "a step" else "per rank"
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
            (comparison.candidate, comparison.baseline), reversed(comparison.names), strict=True
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
