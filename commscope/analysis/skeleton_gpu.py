"""The event-level graph of a rank with devices: what its streams and its launching threads waited for.

Takes a RankTrace, its Attribution and instances; gives a FineGraph. What orders what:
- a launching call comes after the call before it on its thread (and see `host_chains` for other threads);
- a device event comes after its launch, after the event before it on its stream, and after whatever another
  stream finished last before it, if that was launched earlier: recorded traces seldom say which event a
  stream waited for;
- a collective comes after the work its thread had launched before it (ProcessGroupNCCL always makes its
  stream wait for the current one), and work launched after a cudaStreamWaitEvent that follows a collective
  comes after that;
- SyncFacts say the rest, where recorded;
- a call that blocks returns after the work it waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from commscope.analysis.attribution import Attribution, Busy
from commscope.analysis.blocking import return_from_calls
from commscope.analysis.fine import (
    BEGINS,
    COMPUTE,
    COPY,
    ENDS,
    HOST,
    IDLE,
    LATENCY,
    TRANSFER,
    Draft,
    FineGraph,
    Label,
    Nodes,
)
from commscope.analysis.host_chains import chain_calls
from commscope.analysis.launches import Calls, calls_of, instances_of
from commscope.analysis.result import Window
from commscope.analysis.stream_waits import Device, recorded_waits
from commscope.schema import EventKind
from commscope.trace import Events, Int64, Mask, RankTrace

_KIND_OF_BUSY = np.array([COMPUTE, COMPUTE, TRANSFER, COPY])


def device_graph(
    trace: RankTrace, attribution: Attribution, instances: pd.DataFrame, windows: Sequence[Window]
) -> FineGraph:
    """The happens-before graph of a rank whose work runs on devices."""
    events = trace.events
    rows = np.flatnonzero(events.on_device())
    draft = Draft(_first_record(events))
    calls, launch = calls_of(trace, rows, attribution)
    calls = chain_calls(draft, events, attribution, calls)
    device = _device_nodes(draft, events, attribution, _Found(rows, launch, calls, instances))
    _order_device(draft, device, attribution)
    _order_collectives(draft, device, calls, attribution)
    source, target = recorded_waits(trace, device)
    draft.depend(device.finish[source], device.begin[target], Label(LATENCY))
    return_from_calls(draft, events, attribution, calls, device)
    _mark_windows(draft, windows, calls, device)
    return draft.build()


def _first_record(events: Events) -> int:
    """When the rank was first seen doing anything."""
    seen = ~events.is_kind(EventKind.DEVICE_ANNOTATION, EventKind.SYNC)
    return int(events.start_ns[seen].min())


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows of device events, the index of each one's launch among the calls, and the collectives."""

    rows: Int64
    launch: Int64
    calls: Calls
    instances: pd.DataFrame


def _device_nodes(draft: Draft, events: Events, attribution: Attribution, found: _Found) -> Device:
    """Nodes of all device events; a collective of several kernels lasts until the last of them has ended."""
    rows, launch, calls = found.rows, found.launch, found.calls
    start, end = events.start_ns[rows], events.end_ns[rows]
    mine = instances_of(attribution, len(events))[rows]
    communicates = mine >= 0
    end[communicates] = found.instances["end_ns"].to_numpy(np.int64)[mine[communicates]]
    launch_ns = np.where(launch >= 0, _taken(events.start_ns[calls.row], launch), start)
    end = np.maximum(start, end)
    busy = attribution.busy[rows].astype(np.int64)
    leads = _lead_ins(rows, launch, launch_ns, busy, calls)
    begin = draft.add(Nodes(start, BEGINS, 2 * rows, mine, kept=mine >= 0, stretch=mine))
    finish = np.empty_like(begin)
    for order, chosen in ((ENDS, end > start), (BEGINS, end == start)):
        kept = (mine >= 0) | (leads >= 0)
        stretch = np.where(mine >= 0, mine, leads)
        finish[chosen] = draft.add(
            Nodes(end[chosen], order, 2 * rows[chosen] + 1, mine[chosen], True, kept[chosen], stretch[chosen])
        )
    thread = _taken(calls.lane, launch)
    lane = events.lane_id[rows].astype(np.int64)
    return Device(rows, start, end, lane, busy, mine, launch, launch_ns, thread, begin, finish)


def _lead_ins(rows: Int64, launch: Int64, launch_ns: Int64, busy: Int64, calls: Calls) -> Int64:
    """For each device event: the collective its thread launched right after it, or -1."""
    leads = np.full(len(rows), -1)
    before = _launched_before(launch, launch_ns, busy != Busy.COMMUNICATION, calls)
    issued = _taken(calls.issues, launch)
    mine = np.flatnonzero((before >= 0) & (issued >= 0))
    leads[before[mine]] = issued[mine]
    return leads


def _taken(values: Int64, at: Int64) -> Int64:
    """Values at some places, -1 where the place is -1."""
    result = np.full(len(at), -1)
    result[at >= 0] = values[at[at >= 0]]
    return result


def _launched_before(launch: Int64, launch_ns: Int64, wanted: Mask, calls: Calls) -> Int64:
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


def _order_device(draft: Draft, device: Device, attribution: Attribution) -> None:
    """Durations, launches, stream order, and what another stream finished last."""
    phase, layer = attribution.phase[device.row], attribution.layer[device.row]
    length = device.end_ns - device.start_ns
    draft.depend(device.begin, device.finish, Label(_KIND_OF_BUSY[device.busy], phase, layer), length)
    gap = np.where(device.launch >= 0, LATENCY, IDLE)
    _after(draft, device, _finished_on_stream(device), Label(gap, phase, layer))
    other = _finished_elsewhere(device)
    _after(draft, device, other, Label(gap, phase, layer))


def _after(draft: Draft, device: Device, before: Int64, label: Label) -> None:
    draft.depend(np.where(before >= 0, device.finish[before], -1), device.begin, label)


def _finished_on_stream(device: Device) -> Int64:
    """For each device event: the last of its stream to end before its start; branches of a graph overlap."""
    last = np.full(len(device.row), -1)
    for lane in np.unique(device.lane):
        mine = np.flatnonzero(device.lane == lane)
        by_end = mine[np.argsort(device.end_ns[mine], kind="stable")]
        at = np.searchsorted(device.end_ns[by_end], device.start_ns[mine], side="right") - 1
        at -= (at >= 0) & (by_end[at] == mine)  # what takes no time ends as it starts
        last[mine] = np.where(at >= 0, by_end[at], -1)
    return last


def _finished_elsewhere(device: Device) -> Int64:
    """For each device event: the last to end before its start, if elsewhere and launched earlier."""
    by_end = np.argsort(device.end_ns, kind="stable")
    at = np.searchsorted(device.end_ns[by_end], device.start_ns, side="right") - 1
    last = np.where(at >= 0, by_end[at], -1)
    fits = (last >= 0) & (device.lane[last] != device.lane) & (device.launch_ns[last] <= device.launch_ns)
    return np.where(fits, last, -1)


def _order_collectives(draft: Draft, device: Device, calls: Calls, attribution: Attribution) -> None:
    """Launch edges, and the waits that ProcessGroupNCCL always inserts before a collective."""
    phase, layer = attribution.phase[device.row], attribution.layer[device.row]
    known = np.flatnonzero(device.launch >= 0)
    latency = device.start_ns[known] - calls.start_ns[device.launch[known]]
    nominal = int(min(latency[latency > 0], default=0))
    launched = _taken(calls.begin, device.launch)
    draft.depend(launched, device.begin, Label(LATENCY, phase, layer), nominal)
    work = device.busy != Busy.COMMUNICATION
    before = _launched_before(device.launch, device.launch_ns, work, calls)
    _after(draft, device, np.where(device.instance >= 0, before, -1), Label(LATENCY, phase, layer))


def _mark_windows(draft: Draft, windows: Sequence[Window], calls: Calls, device: Device) -> None:
    """Marks start and end of every window."""
    times = np.array([time for w in windows for time in (w.start_ns, w.end_ns)], dtype=np.int64)
    issued = np.sort(device.launch_ns[device.instance >= 0])
    stretch = np.searchsorted(issued, times)
    ties = 2 * int(device.row[-1]) + 2 + np.arange(len(times))
    ids = draft.add(Nodes(times, BEGINS, ties, kept=True, stretch=stretch))
    for node, time in zip(ids, times.tolist(), strict=True):
        for source, kind, nominal_ns in _before_mark(time, calls, device):
            draft.depend(np.array([source]), np.array([node]), Label(kind), nominal_ns)
    draft.marks.extend((w.name, int(ids[2 * i]), int(ids[2 * i + 1])) for i, w in enumerate(windows))


def _before_mark(time: int, calls: Calls, device: Device) -> list[tuple[int, int, int]]:
    """What a moment follows, as (node, kind, nominal time).

    Device work that begins or ends right then; else the device and the host, where the host has already
    launched what the device does next; else the host alone, else the device.
    """
    ending = np.flatnonzero(device.end_ns == time)
    if len(ending):
        return [(int(device.finish[ending[0]]), LATENCY, 0)]
    latest = int(np.searchsorted(device.start_ns, time, side="right")) - 1
    if latest >= 0 and device.start_ns[latest] == time:
        return [(int(device.begin[latest]), LATENCY, 0)]
    host, doing = _host_before(time, calls), _device_before(time, latest, device)
    if host and doing and _is_behind(time, latest, device):
        return [*doing, *host]
    return host or doing


def _host_before(time: int, calls: Calls) -> list[tuple[int, int, int]]:
    call = np.searchsorted(calls.start_ns, time, side="right") - 1
    if call < 0:
        return []
    blocked = calls.finish[call] >= 0 and calls.end_ns[call] <= time
    return [(int(calls.finish[call] if blocked else calls.begin[call]), HOST, 0)]


def _device_before(time: int, latest: int, device: Device) -> list[tuple[int, int, int]]:
    """What the device event that began last before a moment was at."""
    if latest < 0:
        return []
    if device.end_ns[latest] > time:
        kind = int(_KIND_OF_BUSY[device.busy[latest]])
        return [(int(device.begin[latest]), kind, time - int(device.start_ns[latest]))]
    return [(int(device.finish[latest]), IDLE, time - int(device.end_ns[latest]))]


def _is_behind(time: int, latest: int, device: Device) -> bool:
    """Whether what the device does next had been launched before it was done with what it did last."""
    following = latest + 1
    if following >= len(device.row):
        return False
    begun_before_any_launch = not (device.launch[: following + 1] >= 0).any()
    if begun_before_any_launch:  # it was launched before the recording began
        return bool((device.launch[following:] >= 0).any())
    return bool(device.launch_ns[following] <= min(time, int(device.end_ns[latest])))
