"""Which range encloses which event.

Takes spans on lanes, gives for each query the innermost span around it.

Spans on one thread nest, so they fall into levels; inside a level they are disjoint and one binary search
answers all queries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.schema import EventKind
from commscope.trace import Events, Int64

NONE = -1
_SLACK_NS = (
    1_000  # old traces round start and duration to whole microseconds, so a child may end past its parent
)
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans of time, each on a lane."""

    start_ns: Int64
    end_ns: Int64
    lane: Int64

    def on_one_lane(self) -> Spans:
        """The same spans as if one thread had marked them: for ranges that hold across threads."""
        return Spans(self.start_ns, self.end_ns, np.zeros_like(self.lane))


def spans_of(events: Events, rows: Int64) -> Spans:
    """Spans of some rows of events."""
    return Spans(events.start_ns[rows], events.end_ns[rows], events.lane_id[rows].astype(np.int64))


def enclosing(ranges: Spans, queries: Spans) -> Int64:
    """Index of the innermost range that encloses each query on its lane, or -1. A span encloses itself."""
    found = np.full(len(queries.start_ns), NONE, np.int64)
    if _too_wide(ranges, queries):
        return _lane_by_lane(ranges, queries)
    real = np.flatnonzero(ranges.end_ns > ranges.start_ns)
    if not len(real) or not len(found):
        return found
    start, end, query_start, query_end = _keys(ranges, real, queries)
    order = np.lexsort((-end, start))
    start, end, real = start[order], end[order], real[order]
    depth = np.minimum(np.arange(len(start)) - np.searchsorted(np.sort(end), start, "right"), _DEEPEST)
    pending = np.arange(len(found))
    for level in range(int(depth.max()), -1, -1):
        at_level = np.flatnonzero(depth == level)
        if not len(at_level) or not len(pending):
            continue
        nearest = np.searchsorted(start[at_level], query_start[pending], "right") - 1
        candidate = at_level[np.maximum(nearest, 0)]
        inside = (nearest >= 0) & (end[candidate] > query_start[pending])
        inside &= end[candidate] + _SLACK_NS >= query_end[pending]
        found[pending[inside]] = real[candidate[inside]]
        pending = pending[~inside]
    return found


def _keys(ranges: Spans, real: Int64, queries: Spans) -> tuple[Int64, Int64, Int64, Int64]:
    """Time and lane as one number, so that all lanes are searched at once."""
    origin = min(int(ranges.start_ns.min()), int(queries.start_ns.min()))
    last = max(int(ranges.end_ns.max()), int(queries.end_ns.max()))
    width = last - origin + 2 * _SLACK_NS + 2
    range_base = ranges.lane[real] * width - origin
    query_base = queries.lane * width - origin
    return (
        ranges.start_ns[real] + range_base,
        ranges.end_ns[real] + range_base,
        queries.start_ns + query_base,
        queries.end_ns + query_base,
    )


def _too_wide(ranges: Spans, queries: Spans) -> bool:
    """Whether time and lane do not fit into one number: stamps far apart on many lanes."""
    if not len(ranges.start_ns) or not len(queries.start_ns):
        return False
    first = min(int(ranges.start_ns.min()), int(queries.start_ns.min()))
    last = max(int(ranges.end_ns.max()), int(queries.end_ns.max()))
    lanes = 1 + max(int(ranges.lane.max()), int(queries.lane.max()))
    return lanes > 1 and (last - first + 4 * _SLACK_NS) * lanes >= 2**62


def _lane_by_lane(ranges: Spans, queries: Spans) -> Int64:
    found = np.full(len(queries.start_ns), NONE, np.int64)
    for lane in np.unique(queries.lane):
        mine, asked = np.flatnonzero(ranges.lane == lane), np.flatnonzero(queries.lane == lane)
        inner = enclosing(_some(ranges, mine).on_one_lane(), _some(queries, asked).on_one_lane())
        known = inner >= 0
        found[asked[known]] = mine[inner[known]]
    return found


def _some(spans: Spans, rows: Int64) -> Spans:
    return Spans(spans.start_ns[rows], spans.end_ns[rows], spans.lane[rows])


def enclosing_rows(events: Events, range_rows: Int64, query_rows: Int64) -> Int64:
    """Row of the innermost of some events that encloses each of other events on its thread, or -1."""
    found = enclosing(spans_of(events, range_rows), spans_of(events, query_rows))
    return np.where(found >= 0, range_rows[found], NONE) if len(range_rows) else found


def launch_rows(events: Events) -> Int64:
    """The host row that launched each device event: a runtime call, else the operator; -1 elsewhere."""
    launched = np.full(len(events), NONE, np.int64)
    device = np.flatnonzero(events.on_device())
    if not len(device):
        return launched
    calls = np.flatnonzero(events.is_kind(EventKind.RUNTIME) & (events.correlation >= 0))
    launched[device] = _first_with(events.correlation[calls], calls, events.correlation[device])
    alone = device[launched[device] < 0]
    alone = alone[(events.external_id[alone] >= 0) & (events.external_id[alone] != events.correlation[alone])]
    if len(alone):
        ops = np.flatnonzero(events.is_kind(EventKind.OP) & (events.external_id >= 0))
        launched[alone] = _first_with(events.external_id[ops], ops, events.external_id[alone])
    return launched


def _first_with(keys: Int64, rows: Int64, wanted: Int64) -> Int64:
    """First row whose key equals each wanted one, or -1."""
    if not len(rows):
        return np.full(len(wanted), NONE, np.int64)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    at = np.minimum(np.searchsorted(ordered, wanted, "left"), len(ordered) - 1)
    return np.where((ordered[at] == wanted) & (wanted >= 0), rows[order[at]], NONE)
