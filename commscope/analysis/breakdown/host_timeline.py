"""The host as a device (gloo on CPU).

Takes a trace and its collectives, gives what computes and when the step stood waiting.
"""

from __future__ import annotations

import re

import numpy as np

from commscope.analysis import intervals as iv
from commscope.analysis.events import is_gloo_work
from commscope.analysis.names import where_match, where_name
from commscope.analysis.result import Intervals
from commscope.schema import RANGE_PREFIX, EventKind
from commscope.trace import Events, Int64, Mask

# Namespaced operators compute; these namespaces only dispatch, wrap or communicate.
_COMPUTING = re.compile(
    r"(?!(?:c10d|_?c10d_functional\w*|autograd|torch|gloo|nccl|symm_mem|profiler|_dtensor|detectron)\b)[\w.]+::.+"
)
_WAITING = re.compile(
    r"_?c10d_functional::wait_tensor|c10d::(send|recv_|recv_any_source_|barrier|monitored_barrier_)"
)
_WRAPPING = re.compile(r"autograd::.*|\w*Backward\d*|torch::autograd.*|Optimizer.*")
_STEP_MARK = re.compile(
    r"ProfilerStep\s*#.*|autograd::engine::.*|Optimizer\.\w+#.*|c10d::.*|" + RANGE_PREFIX + ".*"
)


def step_rows(events: Events) -> Mask:
    """Rows on the threads that run the step: those that bear its marks, else every thread with operators."""
    lanes = events.lane_id.astype(np.int64)
    on_worker = np.isin(lanes, _worker_lanes(events))
    ops = events.is_kind(EventKind.OP, EventKind.ANNOTATION) & ~on_worker
    marks = ops & where_match(events, _STEP_MARK)
    return np.isin(lanes, np.unique(lanes[marks if marks.any() else ops])) & ~on_worker


def _worker_lanes(events: Events) -> Int64:
    """Threads on which gloo works: gloo ranges and no operator that issues one."""
    gloo = where_name(events, is_gloo_work)
    issuing = where_name(events, lambda name: name.startswith("c10d::"))
    return np.setdiff1d(np.unique(events.lane_id[gloo]), np.unique(events.lane_id[issuing])).astype(np.int64)


def computing_rows(events: Events) -> Int64:
    """Outermost computing operators on the threads of the step."""
    rows = np.flatnonzero(events.is_kind(EventKind.OP) & where_match(events, _COMPUTING) & step_rows(events))
    outer = [
        rows[events.lane_id[rows] == lane][_outermost(events, rows[events.lane_id[rows] == lane])]
        for lane in np.unique(events.lane_id[rows])
    ]
    return np.sort(np.concatenate(outer)) if outer else rows


def _outermost(events: Events, rows: Int64) -> Mask:
    """Rows of one thread that begin after all earlier ones have ended."""
    ended = np.maximum.accumulate(events.end_ns[rows])
    return np.concatenate([[True], events.start_ns[rows][1:] >= ended[:-1]]).astype(bool)


def waiting(events: Events) -> Intervals:
    """Time in which a thread of the step stood in a recorded wait or in blocking point-to-point work."""
    rows = np.flatnonzero(events.is_kind(EventKind.OP) & where_match(events, _WAITING) & step_rows(events))
    return iv.union_of(events.start_ns[rows], events.end_ns[rows])


def standing_still(events: Events, communication: Intervals, waits: Intervals) -> Intervals:
    """Waits, recorded or not: `Work.wait` leaves no event, but nothing runs on the step's threads then."""
    mine = step_rows(events) & events.is_kind(EventKind.OP)
    leaves = np.flatnonzero(mine & ~where_match(events, _WRAPPING))
    working = iv.union_of(events.start_ns[leaves], events.end_ns[leaves])
    return iv.union(waits, iv.difference(communication, working))
