"""Host events that waited for the device without being called so: allocations, `item`, polls of memory.

Takes host events, the calls that are known and the device's work; gives where a thread stood, and for which
work. A thread that made no call for long while the last work launched before ran out, and went on right
after, stood for it: an allocation that drained the device, a copy that the recorder missed, a dispatch of
experts that polls a counter. A thread that merely took its time goes on right then in one case of twenty;
where all calls of the driver were recorded, an operator of torch's own that made none took its time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from commscope.analysis.events import Spans, enclosing, spans_of
from commscope.analysis.launches.neighbours import last_ended
from commscope.analysis.names import where_match
from commscope.schema import EventKind
from commscope.trace import Events, Int32, Int64, Mask

Int8 = npt.NDArray[np.int8]

LEAST_NS = 500_000  # that a thread stood without a name for it
LEAST_NAMED_NS = 100_000  # in what is known to wait now and then
_SOON = 0.05  # of the time it stood: so soon it goes on after the work
_SOONEST_NS, _LATEST_NS = 20_000, 100_000  # at least and at most that
_MISFIT_NS = 10_000  # by which clocks of host and device were seen to differ within a trace
_TOLD = 0.99  # of the device's work whose launch was recorded: then no call of the driver is missing
_ANYTHING = (EventKind.OP, EventKind.RUNTIME, EventKind.PYTHON)

DRAINS = re.compile(r"(cuda|hip)(Host)?Free(Host|Array)?|cuMemFree(Host|_v2)?")
_MAY_WAIT = re.compile(
    r"aten::(item|_local_scalar_dense|is_nonzero|nonzero|equal|unique\w*|_unique2|masked_select)"
    r"|(cuda|hip|cu)(?!\w*Async)(Malloc|Mem|Host|Module|Library)\w*"
)
_NEVER_WAITS = re.compile(r"aten::.*")  # but in a call of the driver
_TIMES = re.compile(r"(cuda|hip|cu)EventElapsedTime\w*")
ANY, NEVER, MAY_WAIT, DRAIN = range(4)  # what a name says of waiting


@dataclass(frozen=True, slots=True)
class Known:
    """Calls that launch or synchronise: rows, starts and ends, in order of start."""

    row: Int64
    start_ns: Int64
    end_ns: Int64


@dataclass(frozen=True, slots=True)
class Work:
    """Device events: whether its launch was recorded, when that was, when it ended, and on which lane."""

    is_told: Mask
    launch_ns: Int64
    end_ns: Int64
    lane: Int32


@dataclass(frozen=True, slots=True)
class Stands:
    """A host event (it tells thread and phase), since when and until when it stood, and for which work."""

    row: Int64
    start_ns: Int64
    end_ns: Int64
    work: Int64

    def at(self, chosen: Int64 | Mask) -> Stands:
        """Some of them."""
        return Stands(self.row[chosen], self.start_ns[chosen], self.end_ns[chosen], self.work[chosen])


def hidden_waits(events: Events, known: Known, work: Work, shift: int) -> Stands:
    """Where threads stood for the device between the calls that are known, at most once between two.

    Calls and launches are on the device's clock, to which host events are moved by `shift`.
    """
    events = _moved(events, shift)
    said = _said(events, is_complete=len(work.is_told) > 0 and work.is_told.mean() >= _TOLD)
    lanes = np.unique(events.lane_id[known.row]).tolist()
    return _joined([_of_thread(events, known, (work, said), lane) for lane in lanes])


def _moved(events: Events, shift: int) -> Events:
    """The events with host and device on one clock; those of the device are not looked at."""
    return replace(events, start_ns=events.start_ns + shift, end_ns=events.end_ns + shift)


def _said(events: Events, *, is_complete: bool) -> Int8:
    """What each event's name says of waiting."""
    said = np.zeros(len(events), dtype=np.int8)
    if is_complete:
        said[events.is_kind(EventKind.OP) & where_match(events, _NEVER_WAITS)] = NEVER
    said[where_match(events, _MAY_WAIT)] = MAY_WAIT
    said[where_match(events, DRAINS)] = DRAIN
    return said


def _joined(found: list[Stands]) -> Stands:
    none = np.empty(0, dtype=np.int64)
    columns = zip((none,) * 4, *map(_columns, found), strict=True)
    return Stands(*(np.concatenate(column) for column in columns))


def _columns(stands: Stands) -> tuple[Int64, Int64, Int64, Int64]:
    return stands.row, stands.start_ns, stands.end_ns, stands.work


def _of_thread(events: Events, known: Known, device: tuple[Work, Int8], lane: int) -> Stands:
    """For each long gap between calls the work that ended last in it of what the thread can have stood for.

    The host event around that moment tells until when it stood, else the next call does.
    """
    work, said = device
    mine = np.flatnonzero(events.lane_id[known.row] == lane)
    left = np.maximum.accumulate(known.end_ns[mine])
    ended = int(events.end_ns[events.lane_id == lane].max())
    following = np.maximum(left, np.append(known.start_ns[mine[1:]], ended))
    long = np.flatnonzero(following - left >= LEAST_NAMED_NS)
    left, following = left[long], following[long]
    gap, one = _ran_dry(work, left, following)
    bare = Stands(known.row[mine[long[gap]]], left[gap], following[gap], one)
    around = _around(events, lane, bare, work)
    inside = _fits(around, work, said)
    fits = inside | (_fits(bare, work, said) & (said[around.row] != NEVER))
    either = zip(_columns(around), _columns(bare), strict=True)
    chosen = Stands(*(np.where(inside, a, b) for a, b in either)).at(fits)
    timed_gap, timed = _timed(events, work, lane, (left, following))
    timely = _fits(timed, work, said)
    gap, chosen = np.concatenate((gap[fits], timed_gap[timely])), _joined([chosen, timed.at(timely)])
    order = np.lexsort((work.end_ns[chosen.work], gap))
    return chosen.at(order[np.append(np.diff(gap[order]) != 0, True)[: len(order)]])


def _timed(events: Events, work: Work, lane: int, gaps: tuple[Int64, Int64]) -> tuple[Int64, Stands]:
    """Gaps in which two events of the device are timed, which both must have happened: recorders miss the
    synchronisation before. Gives the gap and what ended before the last such call.
    """
    left, following = gaps
    rows = np.flatnonzero((events.lane_id == lane) & where_match(events, _TIMES))
    rows = rows[np.argsort(events.start_ns[rows], kind="stable")]
    at = np.searchsorted(events.start_ns[rows], following, side="left") - 1
    gap = np.flatnonzero(at >= 0)
    row = rows[at[gap]]
    one = last_ended(work.end_ns, events.start_ns[row])
    fits = (one >= 0) & (work.launch_ns[one] <= left[gap]) & (work.end_ns[one] > left[gap])
    gap, row, one = gap[fits], row[fits], one[fits]
    return gap, Stands(row, left[gap], events.start_ns[row], one)


def _around(events: Events, lane: int, bare: Stands, work: Work) -> Stands:
    """The same as the innermost lengthy host event around the moment tells it, where there is one."""
    lengthy = events.end_ns - events.start_ns >= LEAST_NAMED_NS
    rows = np.flatnonzero((events.lane_id == lane) & lengthy & events.is_kind(*_ANYTHING))
    moment = np.maximum(bare.start_ns, work.end_ns[bare.work] - _MISFIT_NS)
    found = enclosing(spans_of(events, rows), Spans(moment, moment, np.full(len(moment), lane)))
    inside = np.flatnonzero(found >= 0)
    row, start, end = bare.row.copy(), bare.start_ns.copy(), bare.end_ns.copy()
    row[inside] = rows[found[inside]]
    start[inside] = np.maximum(start[inside], events.start_ns[row[inside]])
    end[inside] = np.minimum(end[inside], events.end_ns[row[inside]])
    return Stands(row, start, end, bare.work)


def _ran_dry(work: Work, left: Int64, following: Int64) -> tuple[Int64, Int64]:
    """Pairs (gap, device event): the last launched on a stream before the gap, where it ends in the gap."""
    gaps, works = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for lane in np.unique(work.lane):
        there = np.flatnonzero(work.lane == lane)
        there = there[np.argsort(work.launch_ns[there], kind="stable")]
        at = np.searchsorted(work.launch_ns[there], left, side="right") - 1
        last = there[at]
        dry = (at >= 0) & (work.end_ns[last] > left) & (work.end_ns[last] <= following + _MISFIT_NS)
        gaps.append(np.flatnonzero(dry))
        works.append(last[dry])
    return np.concatenate(gaps), np.concatenate(works)


def _fits(found: Stands, work: Work, said: Int8) -> Mask:
    """Whether a thread stood long enough and went on soon enough to have stood for that work."""
    done, named = work.end_ns[found.work], said[found.row]
    stood, late = done - found.start_ns, found.end_ns - done
    least = np.where(named >= MAY_WAIT, LEAST_NAMED_NS, LEAST_NS)
    soon: Mask = late <= np.clip(_SOON * stood, _SOONEST_NS, _LATEST_NS)
    fits: Mask = (soon | (named == DRAIN)) & (named != NEVER) & (stood >= least) & (late >= -_MISFIT_NS)
    return fits
