"""Calls that seem to return a little before the work they waited for has ended: the clocks of host and device
differ by microseconds.

Takes calls and device events; gives the calls' ends, moved on to where that work ended, never beyond the
next call of their thread.
"""

from __future__ import annotations

import numpy as np

from commscope.analysis.launches.hidden_waits import Known
from commscope.analysis.launches.neighbours import before_on_lane, last_ended
from commscope.trace import Events, Int64

LONG_AGO = np.iinfo(np.int64).min
_MISFIT_NS = 10_000  # by which clocks of host and device were seen to differ within a trace
_SHARE = 0.01  # of a call's time: what returns so near to the end of some work, waited for it


def prolonged(
    events: Events, calls: Known, called_ns: Int64, done_ns: Int64, device: tuple[Int64, Int64]
) -> Int64:
    """Ends of the calls, on the device's clock; they were called at `called_ns` on the host's.

    A launch waits for what it launched, which had ended at `done_ns`; a call that launched nothing
    (LONG_AGO) for the last to end of what was launched before it. `device` are the ends and launches of all
    device events.
    """
    start, end = calls.start_ns, calls.end_ns
    latest = end + np.minimum((_SHARE * (end - start)).astype(np.int64), _MISFIT_NS)
    until = done_ns.copy()
    waits = np.flatnonzero(done_ns == LONG_AGO)
    present = _awaited_end(device, called_ns[waits], end[waits])
    overdue = _awaited_end(device, called_ns[waits], latest[waits])
    until[waits] = np.where(present >= end[waits] - _MISFIT_NS, present, overdue)
    until = np.where((until > end) & (until <= latest), until, end)
    return np.maximum(end, np.minimum(until, _next_start(events, calls.row, start)))


def _awaited_end(device: tuple[Int64, Int64], called_ns: Int64, by_ns: Int64) -> Int64:
    """When the last device event to end by then did so, if it was launched before the call; else LONG_AGO."""
    end_ns, launch_ns = device
    last = last_ended(end_ns, by_ns)
    fits = (last >= 0) & (launch_ns[last] <= called_ns)
    return np.where(fits, end_ns[last], LONG_AGO)


def _next_start(events: Events, row: Int64, start: Int64) -> Int64:
    """When the next call of the same thread starts."""
    before = before_on_lane(events.lane_id[row], start)
    following = np.full(len(row), np.iinfo(np.int64).max)
    following[before[before >= 0]] = start[before >= 0]
    return following
