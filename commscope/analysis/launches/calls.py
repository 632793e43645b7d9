"""Which host call launched which device event, and when that was on the device's clock.

Takes a trace, its device events and what is known of its collectives; gives its Calls and the launch of each
device event.

Host and device stamp with clocks of their own; where kernels seem to start before their launch, or work to
end after the call that waited for it, the calls are moved by one and the same time, and single ones further
where their kernel still comes first; threads keep their order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.attribution import Attribution
from commscope.analysis.events import launch_rows
from commscope.analysis.launches.clock_slips import LONG_AGO, prolonged
from commscope.analysis.launches.full_queue import queued_calls
from commscope.analysis.launches.hidden_waits import Known, Work, hidden_waits
from commscope.analysis.launches.synchronised_work import awaited_work
from commscope.schema import EventKind
from commscope.trace import Events, Int32, Int64, Mask, RankTrace

_EARLY = 0.001  # share of launches that may seem later than their kernel for other reasons


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls in order of start, on the device's clock; `begin` and `finish` are nodes, -1 where none."""

    row: Int64
    start_ns: Int64
    end_ns: Int64
    lane: Int64
    blocks: Mask
    issues: Int64  # collective it launches, -1
    begin: Int64
    finish: Int64  # of calls that block
    awaited: tuple[Int64, Int64]  # device events and the synchronising calls known to wait for them
    queued: tuple[Int64, Int64]  # device events and the launches that stood until they began


def calls_of(trace: RankTrace, rows: Int64, attribution: Attribution) -> tuple[Calls, Int64, Int64]:
    """The calls that launch or block, which of them launched each device event in `rows`, or -1, and when.

    What is not known to have been launched counts as launched when it began, or before all else where it
    precedes all known launches of its stream: the recording began later.
    """
    events = trace.events
    launch_row = launch_rows(events)[rows]
    found = launch_row >= 0
    waits = np.array(["Synchronize" in name for name in events.names], dtype=bool)
    waiting = np.flatnonzero(events.is_kind(EventKind.RUNTIME) & waits[events.name_id])
    called = np.zeros(len(events), dtype=bool)
    called[launch_row[found]] = called[waiting] = True
    row = np.flatnonzero(called)
    launch = np.where(found, (np.cumsum(called, dtype=np.int64) - 1)[launch_row], -1)
    launch_ns = np.where(found, events.start_ns[launch_row], events.start_ns[rows])
    launch_ns[_launched_before_all(launch, events.lane_id[rows])] = events.start_ns.min()
    works, waits_for = awaited_work(trace, rows, launch_ns, waiting)
    waits = np.searchsorted(row, waiting[waits_for])
    shift = _shift(events, rows, (row, launch), (works, waits))
    start, end = _on_device_clock(events, rows, (row, launch), shift)
    work = Work(found, launch_ns + shift, events.end_ns[rows], events.lane_id[rows])
    stands = hidden_waits(events, Known(row, start, end), work, shift)
    called_ns = np.concatenate((events.start_ns[row], stands.start_ns - shift))
    order = np.argsort(called_ns, kind="stable")
    known = _joined(Known(row, start, end), Known(stands.row, stands.start_ns, stands.end_ns), order)
    place = np.argsort(order, kind="stable")
    launch = taken(place, launch)
    awaited = (np.concatenate((works, stands.work)), np.concatenate((place[waits], place[len(row) :])))
    done_ns = _done(len(known.row), launch, events.end_ns[rows])
    end = prolonged(events, known, called_ns[order], done_ns, (events.end_ns[rows], launch_ns))
    start = known.start_ns
    none = np.full(len(known.row), -1)
    queued = queued_calls((start, end), launch, events.start_ns[rows], events.lane_id[rows])
    blocks = _blocking((start, end), done_ns)
    blocks[queued[1]] = True
    issues = _issued(len(known.row), launch, instances_of(attribution, len(events))[rows])
    lane = events.lane_id[known.row].astype(np.int64)
    return (
        Calls(known.row, start, end, lane, blocks, issues, none, none, awaited, queued),
        launch,
        launch_ns,
    )


def _joined(calls: Known, more: Known, order: Int64) -> Known:
    """Both, in some order."""
    return Known(
        *(np.concatenate((getattr(calls, one), getattr(more, one)))[order] for one in Known.__slots__)
    )


def _launched_before_all(launch: Int64, lane: Int32) -> Mask:
    """Device events without a launch that precede all with one on their stream: the recording began later."""
    early = np.zeros(len(launch), dtype=bool)
    for stream in np.unique(lane):
        mine = np.flatnonzero(lane == stream)
        known = np.flatnonzero(launch[mine] >= 0)
        if len(known):
            early[mine[: known[0]]] = True
    return early


def instances_of(attribution: Attribution, count: int) -> Int64:
    """For each of `count` events the collective it is, or -1."""
    instance = np.full(count, -1)
    instance[attribution.instance_rows] = np.arange(len(attribution.instance_rows))
    return instance


def taken(values: Int64, at: Int64) -> Int64:
    """Values at some places, -1 where the place is -1."""
    result = np.full(len(at), -1)
    result[at >= 0] = values[at[at >= 0]]
    return result


def launched_before(launch: Int64, launch_ns: Int64, wanted: Mask, calls: Calls) -> Int64:
    """For each device event: the last wanted one its thread launched before it, or -1."""
    result = np.full(len(launch), -1)
    known = np.flatnonzero(launch >= 0)
    if len(known) == 0:
        return result
    lane = calls.lane[launch[known]]
    order = known[np.lexsort((known, launch_ns[known], lane))]
    lane = calls.lane[launch[order]]
    position = np.where(wanted[order], np.arange(len(order)), -1)
    last = np.maximum.accumulate(position)
    previous = np.concatenate(([-1], last[:-1]))
    fits = previous >= 0
    fits[fits] = lane[previous[fits]] == lane[fits]
    result[order[fits]] = order[previous[fits]]
    return result


def _issued(count: int, launch: Int64, instance: Int64) -> Int64:
    issues = np.full(count, -1)
    mine = (launch >= 0) & (instance >= 0)
    issues[launch[mine]] = instance[mine]
    return issues


def _shift(events: Events, rows: Int64, calls: tuple[Int64, Int64], awaited: tuple[Int64, Int64]) -> int:
    """By how much calls are moved, so that no kernel starts before its launch.

    Where work seems to end after the call that waited for it returned, they are moved on as far as launches
    allow.
    """
    row, launch = calls
    known = np.flatnonzero(launch >= 0)
    if len(known) == 0:
        return 0
    latency = events.start_ns[rows[known]] - events.start_ns[row[launch[known]]]
    works, waits = awaited
    overdue = (events.end_ns[rows[works]] - events.end_ns[row[waits]]).max(initial=0)
    return min(int(np.quantile(latency, _EARLY)), int(overdue))


def _on_device_clock(
    events: Events, rows: Int64, calls: tuple[Int64, Int64], shift: int
) -> tuple[Int64, Int64]:
    """Start and end of each call, moved, and further where its kernel still comes first."""
    row, launch = calls
    start, end = events.start_ns[row] + shift, events.end_ns[row] + shift
    known = np.flatnonzero(launch >= 0)
    if len(known) == 0:
        return start, end
    latest = start.copy()
    np.minimum.at(latest, launch[known], events.start_ns[rows[known]])
    lane = events.lane_id[row]
    for thread in np.unique(lane):
        mine = np.flatnonzero(lane == thread)
        mine = mine[np.lexsort((mine, events.start_ns[row[mine]]))]
        latest[mine] = np.minimum.accumulate(latest[mine][::-1])[::-1]
        end[mine[:-1]] = np.minimum(end[mine[:-1]], latest[mine[1:]])
    return latest, np.maximum(end, latest)


def _done(count: int, launch: Int64, device_end_ns: Int64) -> Int64:
    """When all that each of so many calls launched had ended; LONG_AGO where it launched nothing."""
    done = np.full(count, LONG_AGO)
    known = launch >= 0
    np.maximum.at(done, launch[known], device_end_ns[known])
    return done


def _blocking(calls: tuple[Int64, Int64], done_ns: Int64) -> Mask:
    """Calls that only synchronise, and launches that return within half their own time after their work."""
    start, end = calls
    launches = done_ns > LONG_AGO
    at_once: Mask = (done_ns >= start) & (done_ns <= end) & (2 * (end - done_ns) < end - start)
    return ~launches | at_once
