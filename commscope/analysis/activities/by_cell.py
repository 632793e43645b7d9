"""A rank's activities between its collectives: events and their attribution -> Activities.

Cells lie between the starts, ends and issues of collectives and the windows' ends. Of each cell the
activities that took longest are kept, so the table grows with the collectives, not with the events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from commscope.analysis.activities.device_pieces import device_pieces
from commscope.analysis.activities.frames import frames_of
from commscope.analysis.activities.host_pieces import host_pieces
from commscope.analysis.activities.idle_gaps import idle_gaps
from commscope.analysis.activities.phase_spans import phase_spans
from commscope.analysis.activities.pieces import HOST, KINDS, Pieces
from commscope.analysis.attribution import PHASES, Attribution
from commscope.analysis.events import NONE
from commscope.analysis.result import Activities, Activity, ActivitySums, Intervals, Window
from commscope.trace import Events, Int64, RankTrace

MOST = 6  # activities of a cell
# Time without an operator that is told by its neighbours: a tenth of its cell, and no less than this.
LONG_NS, LONG_SHARE = 100_000, 10


@dataclass(frozen=True, slots=True)
class _Kept:
    """Activities that took longest in their cell: the longest piece of each, their time, and the cells."""

    piece: Pieces
    time_ns: Int64
    cell: Int64
    rest_ns: Int64  # of each cell: the others together


def activities_of(
    trace: RankTrace,
    attribution: Attribution,
    instances: pd.DataFrame,
    windows: Sequence[Window],
    host_bound: Intervals | None,
) -> Activities | None:
    """What a rank did, by name; None where its trace has no windows that last."""
    span = (min(one.start_ns for one in windows), max(one.end_ns for one in windows))
    if span[1] <= span[0]:
        return None
    events, borders = trace.events, _borders(instances, windows)
    host = host_pieces(events, attribution, span)
    pieces = device_pieces(events, attribution, host, span, host_bound)
    device = _longest(pieces, borders)
    alone = bool(events.on_device().any())
    threads = _longest(host.but(kind=HOST), borders) if alone else device
    parts = (device, threads) if alone else (device,)
    names, which = _names(events, parts)
    sums = [_sums(part, at, len(borders) - 1) for part, at in zip(parts, which, strict=True)]
    gaps = idle_gaps(trace.rank, pieces, lambda chosen: _named(events, chosen))
    return Activities(borders, sums[0], sums[-1], names, gaps, phase_spans(events, attribution))


def _borders(instances: pd.DataFrame, windows: Sequence[Window]) -> Int64:
    issued = instances["issue_ns"].dropna().to_numpy(np.int64)
    ends = np.array([(one.start_ns, one.end_ns) for one in windows], np.int64).ravel()
    columns = (instances["start_ns"].to_numpy(np.int64), instances["end_ns"].to_numpy(np.int64))
    return np.unique(np.concatenate((*columns, issued, ends)))


def _longest(pieces: Pieces, borders: Int64) -> _Kept:
    """Pieces summed by cell and activity; the most of each cell."""
    parts = pieces.cut(borders)
    cell = np.searchsorted(borders, parts.start_ns, "right") - 1
    inside = (cell >= 0) & (cell < len(borders) - 1)
    if not inside.all():
        parts, cell = parts.at(inside), cell[inside]
    took = parts.end_ns - parts.start_ns
    short = (parts.is_python == 1) & (took < _long_ns(borders)[cell])
    before, after = (np.where(short, NONE, column) for column in (parts.before, parts.after))
    parts = replace(parts, before=before, after=after)
    activity = _codes(parts)
    order = np.lexsort((activity, cell))
    new = np.r_[True, (np.diff(cell[order]) != 0) | (np.diff(activity[order]) != 0)][: len(order)]
    first = np.flatnonzero(new)
    time_ns = np.add.reduceat(took[order], first) if len(first) else took
    chosen = _longest_of(order, first, took)
    by_time = np.lexsort((chosen, -time_ns, cell[chosen]))
    chosen, time_ns = chosen[by_time], time_ns[by_time]
    place = np.arange(len(chosen)) - np.searchsorted(cell[chosen], cell[chosen], "left")
    most = place < MOST
    rest = np.zeros(len(borders) - 1, np.int64)
    np.add.at(rest, cell[chosen[~most]], time_ns[~most])
    return _Kept(parts.at(chosen[most]), time_ns[most], cell[chosen[most]], rest)


def _longest_of(order: Int64, first: Int64, took: Int64) -> Int64:
    """The longest piece of each group: groups lie in `order` from one of `first` to the next."""
    if not len(first):
        return order
    group = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(order)]))
    longest = np.maximum.reduceat(took[order], first)
    fits = np.flatnonzero(took[order] == longest[group])
    return order[fits[np.searchsorted(group[fits], np.arange(len(first)))]]


def _long_ns(borders: Int64) -> Int64:
    long_ns: Int64 = np.maximum(np.diff(borders) // LONG_SHARE, LONG_NS)
    return long_ns


def _codes(parts: Pieces) -> Int64:
    """A number for each activity; what differs in anything that is told has another."""
    code = np.zeros(len(parts), np.int64)
    for column in (
        parts.kind,
        parts.name,
        parts.call,
        parts.before,
        parts.after,
        parts.is_python,
        parts.phase,
        parts.layer,
    ):
        low, high = int(column.min(initial=0)), int(column.max(initial=0))
        if high == low:
            continue
        if int(code.max(initial=0)) + 1 > 2**62 // (high - low + 1):
            code = np.unique(code, return_inverse=True)[1]
        code = code * (high - low + 1) + (column - low)
    return code


def _names(events: Events, parts: Sequence[_Kept]) -> tuple[tuple[Activity, ...], list[Int64]]:
    """The distinct activities, and for each part the index of each of its rows."""
    known: dict[tuple[int, ...], int] = {}
    which = []
    for part in parts:
        rows = _columns(events, part.piece)
        which.append(np.array([known.setdefault(row, len(known)) for row in rows], np.int64))
    return tuple(_activity(events.names, row) for row in known), which


def _named(events: Events, pieces: Pieces) -> list[Activity]:
    """The activity of each piece."""
    return [_activity(events.names, row) for row in _columns(events, pieces)]


def _columns(events: Events, one: Pieces) -> Iterator[tuple[int, ...]]:
    """What tells the activity of each piece."""
    line, called = frames_of(events, one)
    call = np.where(called >= 0, called, one.call)
    columns = (one.kind, one.name, call, one.before, one.after, one.is_python, one.phase, one.layer, line)
    return zip(*(column.tolist() for column in columns), strict=True)


def _activity(names: Sequence[str], row: tuple[int, ...]) -> Activity:
    kind, name, call, before, after, is_python, phase, layer, frame = row

    def told(index: int) -> str | None:
        return names[index] if index >= 0 else None

    return Activity(
        kind=KINDS[kind],
        name=told(name),
        phase=str(PHASES[phase]) if phase >= 0 else None,
        layer=layer if layer >= 0 else None,
        is_python=bool(is_python),
        between=(told(before), told(after)) if max(before, after) >= 0 else None,
        call=told(call),
        frame=told(frame),
    )


def _sums(part: _Kept, which: Int64, cells: int) -> ActivitySums:
    first = np.searchsorted(part.cell, np.arange(cells + 1))
    return ActivitySums(first, which.astype(np.int32), part.time_ns, part.rest_ns)
