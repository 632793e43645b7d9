"""Which device work each synchronising call of the host waits for, as far as a trace tells.

Takes a trace, its device events and its calls; gives pairs (device event, call). A device synchronisation
waits for the last work launched before it on every stream; one whose stream is recorded, for the last there.
"""

from __future__ import annotations

import numpy as np

from commscope.schema import NO_VALUE
from commscope.trace import Events, Int64, Mask, RankTrace


def awaited_work(trace: RankTrace, rows: Int64, launch_ns: Int64, calls: Int64) -> tuple[Int64, Int64]:
    """Positions in `rows` (device events, launched at `launch_ns`) and in `calls` (rows of waiting calls)."""
    events = trace.events
    everything, stream = _waits_for_all(events, calls), _awaited_stream(trace, calls)
    lane_stream = np.array([lane.stream for lane in events.lanes], dtype=np.int64)
    lanes = events.lane_id[rows]
    works, waits = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for lane in np.unique(lanes):
        mine = np.flatnonzero(lanes == lane)
        mine = mine[np.argsort(launch_ns[mine], kind="stable")]
        waiting = np.flatnonzero(everything | (stream == lane_stream[lane]))
        at = np.searchsorted(launch_ns[mine], events.start_ns[calls[waiting]], side="right") - 1
        works.append(mine[at[at >= 0]])
        waits.append(waiting[at >= 0])
    return np.concatenate(works), np.concatenate(waits)


def _waits_for_all(events: Events, calls: Int64) -> Mask:
    named = [any(word in name for word in ("DeviceSynchronize", "CtxSynchronize")) for name in events.names]
    waits: Mask = np.array(named, dtype=bool)[events.name_id[calls]]
    return waits


def _awaited_stream(trace: RankTrace, calls: Int64) -> Int64:
    """The stream each call waits for; a value no stream has where that is not recorded."""
    unknown = NO_VALUE - 1
    streams = {
        int(trace.events.correlation[sync.event]): sync.stream
        for sync in trace.syncs
        if sync.wait_on_stream == NO_VALUE and sync.stream != NO_VALUE
    }
    correlation = trace.events.correlation[calls].tolist()
    return np.array([streams.get(c, unknown) for c in correlation], dtype=np.int64)
