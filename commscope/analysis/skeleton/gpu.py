"""The event-level graph of a rank with devices: what its streams and its launching threads waited for.

Takes a RankTrace, its Attribution and instances; gives a FineGraph. What orders what:
- a launching call comes after the call before it on its thread (and see `host_chains` for other threads);
- a device event comes after its launch and after other device events (see `device_order`: recorded traces
  seldom say which event a stream waited for);
- work launched after a cudaStreamWaitEvent that follows a collective comes after that, and SyncFacts say
  the rest, where recorded (`stream_waits`);
- a call that blocks returns after the work it waited for (`blocking`);
- a window's mark follows what held the rank back just then (`window_marks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from commscope.analysis.attribution import Attribution, Busy
from commscope.analysis.launches.calls import Calls, calls_of, instances_of, launched_before, taken
from commscope.analysis.result import Window
from commscope.analysis.skeleton.blocking_calls import return_from_calls
from commscope.analysis.skeleton.device_order import order_collectives, order_device
from commscope.analysis.skeleton.event_graph import BEGINS, ENDS, LATENCY, Draft, FineGraph, Label, Nodes
from commscope.analysis.skeleton.host_chains import chain_calls
from commscope.analysis.skeleton.stream_waits import Device, recorded_waits
from commscope.analysis.skeleton.window_marks import mark_windows
from commscope.schema import EventKind
from commscope.trace import Events, Int64, RankTrace


def device_graph(
    trace: RankTrace, attribution: Attribution, instances: pd.DataFrame, windows: Sequence[Window]
) -> FineGraph:
    """The happens-before graph of a rank whose work runs on devices."""
    events = trace.events
    rows = np.flatnonzero(events.on_device())
    draft = Draft(_first_record(events))
    calls, launch, launch_ns = calls_of(trace, rows, attribution)
    calls = chain_calls(draft, events, attribution, calls)
    device = _device_nodes(draft, events, attribution, _Found(rows, launch, launch_ns, calls, instances))
    order_device(draft, device, attribution)
    order_collectives(draft, device, calls, attribution)
    source, target = recorded_waits(trace, device)
    draft.depend(device.finish[source], device.begin[target], Label(LATENCY))
    return_from_calls(draft, events, attribution, calls, device)
    mark_windows(draft, windows, calls, device)
    return draft.build()


def _first_record(events: Events) -> int:
    """When the rank was first seen doing anything."""
    seen = ~events.is_kind(EventKind.DEVICE_ANNOTATION, EventKind.SYNC)
    return int(events.start_ns[seen].min())


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows of device events, the index of each one's launch among the calls and when, and the collectives."""

    rows: Int64
    launch: Int64
    launch_ns: Int64
    calls: Calls
    instances: pd.DataFrame


def _device_nodes(draft: Draft, events: Events, attribution: Attribution, found: _Found) -> Device:
    """Nodes of all device events; a collective of several kernels lasts until the last of them has ended."""
    rows, launch, calls = found.rows, found.launch, found.calls
    start, end = events.start_ns[rows], events.end_ns[rows]
    mine = instances_of(attribution, len(events))[rows]
    communicates = mine >= 0
    end[communicates] = found.instances["end_ns"].to_numpy(np.int64)[mine[communicates]]
    end = np.maximum(start, end)
    busy = attribution.busy[rows].astype(np.int64)
    leads = _lead_ins(rows, launch, found.launch_ns, busy, calls)
    begin = draft.add(Nodes(start, BEGINS, 2 * rows, mine, kept=mine >= 0, stretch=mine))
    finish = np.empty_like(begin)
    for order, chosen in ((ENDS, end > start), (BEGINS, end == start)):
        kept = (mine >= 0) | (leads >= 0)
        stretch = np.where(mine >= 0, mine, leads)
        finish[chosen] = draft.add(
            Nodes(end[chosen], order, 2 * rows[chosen] + 1, mine[chosen], True, kept[chosen], stretch[chosen])
        )
    lane, thread = events.lane_id[rows].astype(np.int64), taken(calls.lane, launch)
    return Device(rows, start, end, lane, busy, mine, launch, found.launch_ns, thread, begin, finish)


def _lead_ins(rows: Int64, launch: Int64, launch_ns: Int64, busy: Int64, calls: Calls) -> Int64:
    """For each device event: the collective its thread launched right after it, or -1."""
    leads = np.full(len(rows), -1)
    before = launched_before(launch, launch_ns, busy != Busy.COMMUNICATION, calls)
    issued = taken(calls.issues, launch)
    mine = np.flatnonzero((before >= 0) & (issued >= 0))
    leads[before[mine]] = issued[mine]
    return leads
