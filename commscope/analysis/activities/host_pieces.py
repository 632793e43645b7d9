"""What the threads of the step did: events and their attribution -> pieces, one after the other.

An outermost operator owns its time, whatever runs inside. Between operators it is the innermost range,
runtime call or wrapping operator around; where there is none, or only a range, no operator ran: Python.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.activities.pieces import COMPUTE, HOST, Pieces, first_owns, joined, pieces
from commscope.analysis.attribution import Attribution
from commscope.analysis.breakdown.host_timeline import computing_rows, step_rows
from commscope.analysis.events import NONE, Spans, enclosing, layer_ranges, spans_of
from commscope.analysis.names import where_name
from commscope.readers.names.steps import MARKS, step_number
from commscope.schema import RANGE_PREFIX, EventKind
from commscope.trace import Events, Int32, Int64, Mask

HALF = 2


def host_pieces(events: Events, attribution: Attribution, span: tuple[int, int]) -> Pieces:
    """The pieces from one moment to another; empty where no host was recorded."""
    rows, lanes = computing_rows(events), _calling_lanes(events)
    if not len(lanes):
        return pieces(rows[:0], rows[:0])
    owned, start = first_owns(events.start_ns[rows], events.end_ns[rows])
    rows = rows[owned]
    working = pieces(
        start,
        events.end_ns[rows],
        kind=COMPUTE,
        name=events.name_id[rows],
        call=_longest_call(events, rows),
        phase=attribution.phase[rows],
        layer=attribution.layer[rows],
        lane=events.lane_id[rows],
    )
    return joined(working, _between(events, attribution, working, (span, lanes)))


def _longest_call(events: Events, ops: Int64) -> Int64:
    """For each operator the name of the runtime call that took at least half of its time, or -1."""
    calls = np.flatnonzero(events.is_kind(EventKind.RUNTIME))
    found = np.full(len(ops), NONE)
    for lane in np.unique(events.lane_id[ops]):
        mine = np.flatnonzero(events.lane_id[ops] == lane)
        own = calls[events.lane_id[calls] == lane]
        at = np.searchsorted(events.start_ns[ops[mine]], events.start_ns[own], "right") - 1
        op = mine[np.maximum(at, 0)]
        took = events.end_ns[own] - events.start_ns[own]
        whole = events.end_ns[ops[op]] - events.start_ns[ops[op]]
        half = (at >= 0) & (events.start_ns[own] < events.end_ns[ops[op]]) & (HALF * took >= whole)
        found[op[half]] = events.name_id[own[half]]
    return found


def _between(
    events: Events, attribution: Attribution, working: Pieces, where: tuple[tuple[int, int], Int64]
) -> Pieces:
    """Time without an operator; it is seen from the thread of the operator before.

    `where` is the span that is looked at, and the threads of the step.
    """
    span, lanes = where
    start, end = np.r_[span[0], working.end_ns], np.r_[working.start_ns, span[1]]
    real = np.flatnonzero(end > start)
    before, after = real - 1, np.where(real < len(working), real, NONE)
    lane = np.where(before >= 0, _of(working.lane, before), _first_lane(events, working, lanes))
    gaps = pieces(start[real], end[real], kind=HOST, before=before, after=after, lane=lane)
    around, number = _around(events, working, lanes), _layers(events, attribution)
    layers = np.flatnonzero(number >= 0)
    seen = np.concatenate((around, layers))
    gaps = gaps.cut(np.unique(np.concatenate((events.start_ns[seen], events.end_ns[seen]))))
    return _told(gaps, working, _Seen(events, attribution, around, layers, number[layers]))


@dataclass(frozen=True, slots=True)
class _Seen:
    """Rows that tell something of time without an operator: what lies around it, and ranges of layers."""

    events: Events
    attribution: Attribution
    around: Int64
    layers: Int64
    number: Int32  # of each of the layers


def _told(gaps: Pieces, working: Pieces, seen: _Seen) -> Pieces:
    """What lies around each piece, and its place: by that, by a range of a layer, or as both neighbours."""
    events, attribution = seen.events, seen.attribution
    moment = Spans(gaps.start_ns, gaps.start_ns, gaps.lane)
    inside = _row(seen.around, enclosing(spans_of(events, seen.around), moment))
    marked = enclosing(spans_of(events, seen.layers).on_one_lane(), moment.on_one_lane())
    known = (inside >= 0) & ~_steps(events)[inside]
    named = known & ~where_name(events, lambda name: name.startswith(RANGE_PREFIX))[inside]
    speaks = (
        named & (events.is_kind(EventKind.OP, EventKind.RUNTIME) | where_name(events, _is_native))[inside]
    )
    phase = np.where(known, attribution.phase[inside], NONE)
    layer = _row(seen.number, marked)
    layer = np.where((layer < 0) & known, attribution.layer[inside], layer)
    return gaps.but(
        name=np.where(named, events.name_id[inside], NONE),
        before=np.where(speaks, NONE, _of(working.name, gaps.before)),
        after=np.where(speaks, NONE, _of(working.name, gaps.after)),
        is_python=np.where(speaks, 0, 1),
        phase=np.where(phase >= 0, phase, _agreed(working.phase, gaps)),
        layer=np.where(layer >= 0, layer, _agreed(working.layer, gaps)),
    )


def _is_native(name: str) -> bool:
    """Ranges that torch opens around its own calls into a library: no Python runs in them."""
    return name.startswith(("nccl:", "gloo:"))


def _around(events: Events, working: Pieces, lanes: Int64) -> Int64:
    """Ranges, wrapping operators and calls on the step's threads that do not lie inside an operator."""
    kinds = events.is_kind(EventKind.OP, EventKind.ANNOTATION, EventKind.RUNTIME)
    rows = np.flatnonzero(kinds & np.isin(events.lane_id, lanes))
    inside = np.zeros(len(rows), bool)
    for lane in np.unique(working.lane):
        own = np.flatnonzero(working.lane == lane)
        mine = np.flatnonzero(events.lane_id[rows] == lane)
        at = np.searchsorted(working.start_ns[own], events.start_ns[rows[mine]], "right") - 1
        covered = working.end_ns[own[np.maximum(at, 0)]] >= events.end_ns[rows[mine]]
        inside[mine] = (at >= 0) & covered
    return rows[~inside]


def _calling_lanes(events: Events) -> Int64:
    """The threads of the step; without ranges and operators all that call the device."""
    rows = step_rows(events)
    if not rows.any():
        rows = events.is_kind(EventKind.RUNTIME)
    return np.unique(events.lane_id[rows]).astype(np.int64)


def _first_lane(events: Events, working: Pieces, lanes: Int64) -> int:
    """The thread of the first operator; without any the one with most records."""
    if len(working):
        return int(working.lane[0])
    return int(lanes[np.argmax([(events.lane_id == lane).sum() for lane in lanes])])


def _layers(events: Events, attribution: Attribution) -> Int32:
    """The layer each range or module marks; looked for only where anything has a layer."""
    known = (attribution.layer >= 0).any()
    return layer_ranges(events) if known else np.full(len(events), NONE, np.int32)


def _steps(events: Events) -> Mask:
    """Marks of steps: they enclose everything and name nothing."""
    return where_name(events, lambda name: any(step_number(mark, name) is not None for mark in MARKS))


def _row(rows: Int64 | Int32, found: Int64) -> Int64:
    return np.where(found >= 0, rows[found], NONE) if len(rows) else np.full(len(found), NONE)


def _of(column: Int64, at: Int64) -> Int64:
    return np.where(at >= 0, column[at], NONE) if len(column) else np.full(len(at), NONE)


def _agreed(column: Int64, gaps: Pieces) -> Int64:
    """What the operators before and behind both say."""
    before, after = _of(column, gaps.before), _of(column, gaps.after)
    return np.where(before == after, before, NONE)
