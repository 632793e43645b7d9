"""Calls that seem to return a little before the work they waited for has ended: the clocks of host and device
differ by microseconds.

Takes calls and device events; gives the calls' ends, moved on to where that work ended, never beyond the
next call of their thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.trace import Events, Int64

_MISFIT_NS = 10_000  # by which clocks of host and device were seen to differ within a trace
_SHARE = 0.01  # of a call's time: what returns so near to the end of some work, waited for it


@dataclass(frozen=True, slots=True)
class Launched:
    """Rows of device events in order of start, each one's call (-1 unknown) and when it was launched."""

    row: Int64
    launch: Int64
    at_ns: Int64


def prolonged(events: Events, device: Launched, row: Int64, calls: tuple[Int64, Int64]) -> Int64:
    """Ends of the calls (`row`; `calls` are their starts and ends): a launch waits for what it launched, a
    synchronisation for the last to end of what was launched before it.
    """
    start, end = calls
    if not len(device.row) or not len(row):
        return end
    device_end = events.end_ns[device.row]
    tolerance = np.minimum((_SHARE * (end - start)).astype(np.int64), _MISFIT_NS)
    awaited = _last_launched_before(events, device, row, end + tolerance)
    present = _last_launched_before(events, device, row, end)
    awaited = np.where(end - present <= _MISFIT_NS, end, awaited)  # work that ended just before explains it
    own = np.full(len(row), np.iinfo(np.int64).min)
    known = np.flatnonzero(device.launch >= 0)
    inside = known[events.start_ns[device.row[known]] >= start[device.launch[known]]]
    np.maximum.at(own, device.launch[inside], device_end[inside])
    launches = np.isin(np.arange(len(row)), device.launch)
    until = np.where(launches, own, awaited)
    until = np.where((until > end) & (until <= end + tolerance), until, end)
    return np.maximum(end, np.minimum(until, _next_start(events, row, start)))


def _last_launched_before(events: Events, device: Launched, row: Int64, by_ns: Int64) -> Int64:
    """When the last device event to end by then did so, if it was launched before the call; else long ago."""
    device_end = events.end_ns[device.row]
    by_end = np.argsort(device_end, kind="stable")
    at = np.searchsorted(device_end[by_end], by_ns, side="right") - 1
    last = by_end[np.maximum(at, 0)]
    fits = (at >= 0) & (device.at_ns[last] <= events.start_ns[row])
    return np.where(fits, device_end[last], np.int64(0))


def _next_start(events: Events, row: Int64, start: Int64) -> Int64:
    """When the next call of the same thread starts."""
    lane = events.lane_id[row]
    order = np.lexsort((row, start, lane))
    following = np.full(len(row), np.iinfo(np.int64).max)
    same = lane[order[1:]] == lane[order[:-1]]
    following[order[:-1][same]] = start[order[1:][same]]
    return following
