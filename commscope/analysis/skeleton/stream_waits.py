"""Which device events had to wait for which, as far as a trace tells it.

Takes a RankTrace and its device events; gives pairs (source, target): the target starts after the source
ends. A recorded stream synchronisation (SyncFacts) names both streams and the call that recorded the
awaited event. Without one, a cudaStreamWaitEvent call followed by a launch of work that does not
communicate is how Work.wait() looks: that work waits for the collective its thread launched last, or for
the one before it where the times rule that one out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.attribution import Busy
from commscope.schema import NO_VALUE, EventKind
from commscope.trace import Int64, RankTrace

Pairs = tuple[Int64, Int64]


@dataclass(frozen=True, slots=True)
class Device:
    """Device events in order of start, with their nodes and launches (index into Calls, -1 where unknown)."""

    row: Int64
    start_ns: Int64
    end_ns: Int64
    lane: Int64
    busy: Int64
    instance: Int64
    launch: Int64
    launch_ns: Int64  # the event's own start where its launch is unknown
    thread: Int64  # lane of the launching thread, -1
    begin: Int64
    finish: Int64


def recorded_waits(trace: RankTrace, device: Device) -> Pairs:
    """Pairs of positions in `device`: the second started after the first ended because it had to."""
    pairs = [*_synchronised(trace, device), *_awaited(trace, device)]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _synchronised(trace: RankTrace, device: Device) -> list[tuple[int, int]]:
    """Stream waits that the trace records."""
    events = trace.events
    stream = np.array([lane.stream for lane in events.lanes], dtype=np.int64)[device.lane]
    runtime = np.flatnonzero(events.is_kind(EventKind.RUNTIME))
    call_ns = dict(zip(events.correlation[runtime].tolist(), events.start_ns[runtime].tolist(), strict=True))
    pairs = []
    for sync in trace.syncs:
        if NO_VALUE in (sync.stream, sync.wait_on_stream) or sync.stream == sync.wait_on_stream:
            continue
        recorded_ns = call_ns.get(sync.wait_on_correlation)
        waited_ns = call_ns.get(int(events.correlation[sync.event]))
        if recorded_ns is None or waited_ns is None:
            continue
        sources = np.flatnonzero((stream == sync.wait_on_stream) & (device.launch_ns <= recorded_ns))
        targets = np.flatnonzero((stream == sync.stream) & (device.launch_ns >= waited_ns))
        if len(sources) and len(targets):
            pairs.append((int(sources[-1]), int(targets[0])))
    return pairs


def _awaited(trace: RankTrace, device: Device) -> list[tuple[int, int]]:
    """Waits told by cudaStreamWaitEvent calls between a collective's launch and the launch of other work."""
    events = trace.events
    waits = np.array(["StreamWaitEvent" in name for name in events.names], dtype=bool)
    rows = np.flatnonzero(events.is_kind(EventKind.RUNTIME) & waits[events.name_id])
    pairs = []
    for thread in np.unique(events.lane_id[rows]):
        mine = np.flatnonzero(device.thread == thread)
        mine = mine[np.argsort(device.launch_ns[mine], kind="stable")]
        at = np.searchsorted(device.launch_ns[mine], events.start_ns[rows[events.lane_id[rows] == thread]])
        communicates = device.busy[mine] == Busy.COMMUNICATION
        collectives = np.flatnonzero(communicates)
        for target in np.unique(at[at < len(mine)]):
            if communicates[target]:
                continue
            earlier = mine[collectives[: np.searchsorted(collectives, target)]][-4:]
            done = earlier[device.end_ns[earlier] <= device.start_ns[mine[target]]]
            if len(done):
                pairs.append((int(done[-1]), int(mine[target])))
    return pairs
