"""What orders the events of a rank's devices: launches, streams, and what collectives always wait for.

Takes the device's events with their nodes; adds dependencies to a Draft. A device event comes after its
launch, after what had ended on its stream, after the begin of what still runs there, and after whatever
another stream finished last before it, if that was launched earlier; what was launched later may still have
held the device, where nothing else explains a wait that ends as it does. A collective comes after the work
its thread had launched before it: ProcessGroupNCCL always makes its stream wait for the current one.
"""

from __future__ import annotations

import numpy as np

from commscope.analysis.attribution import Attribution, Busy
from commscope.analysis.launches.calls import Calls, launched_before, taken
from commscope.analysis.launches.neighbours import before_on_lane, last_ended
from commscope.analysis.skeleton.event_graph import (
    COMPUTE,
    COPY,
    IDLE,
    LATENCY,
    TRANSFER,
    Column,
    Draft,
    Label,
)
from commscope.analysis.skeleton.stream_waits import Device
from commscope.trace import Int64

LONGEST_LATENCY_NS = 100_000  # of a launch or a hand-over; a longer gap has a reason that was not recorded
AT_ONCE_NS = 5_000  # in which a kernel begins that had been waiting for room
KIND_OF_BUSY = np.array([COMPUTE, COMPUTE, TRANSFER, COPY])


def order_device(draft: Draft, device: Device, attribution: Attribution) -> None:
    """Durations, launches, stream order, and what another stream finished last."""
    phase, layer = attribution.phase[device.row], attribution.layer[device.row]
    kind = KIND_OF_BUSY[device.busy]
    length = device.end_ns - device.start_ns
    draft.depend(device.begin, device.finish, Label(kind, phase, layer), length)
    over = _running_on_stream(device)
    begun = np.where(over >= 0, device.begin[over], -1)
    draft.depend(begun, device.begin, Label(kind[over], phase[over], layer[over]))
    on_stream, elsewhere = _finished_on_stream(device), _finished_elsewhere(device)
    _after(draft, device, on_stream, (phase, layer))
    _after(draft, device, elsewhere, (phase, layer))
    _after(draft, device, _made_room(device, on_stream, elsewhere), (phase, layer))


def order_collectives(draft: Draft, device: Device, calls: Calls, attribution: Attribution) -> None:
    """Launch edges, and the waits that ProcessGroupNCCL always inserts before a collective."""
    phase, layer = attribution.phase[device.row], attribution.layer[device.row]
    known = np.flatnonzero(device.launch >= 0)
    latency = device.start_ns - taken(calls.start_ns, device.launch)
    nominal = int(min(latency[known][latency[known] > 0], default=0))
    launched = taken(calls.begin, device.launch)
    draft.depend(launched, device.begin, Label(gap_kind(latency), phase, layer), nominal)
    work = device.busy != Busy.COMMUNICATION
    before = launched_before(device.launch, device.launch_ns, work, calls)
    _after(draft, device, np.where(device.instance >= 0, before, -1), (phase, layer))


def _after(draft: Draft, device: Device, before: Int64, place: tuple[Column, Column]) -> None:
    """Device events begin after others have ended; `place` is their phase and layer."""
    gap_ns = np.where(before >= 0, device.start_ns - device.end_ns[before], 0)
    kind = np.where(device.launch >= 0, gap_kind(gap_ns), IDLE)
    draft.depend(np.where(before >= 0, device.finish[before], -1), device.begin, Label(kind, *place))


def gap_kind(gap_ns: Int64) -> Int64:
    """What a gap between cause and effect was: latency, or idle where it is too long to be that."""
    return np.where(gap_ns <= LONGEST_LATENCY_NS, LATENCY, IDLE)


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


def _running_on_stream(device: Device) -> Int64:
    """For each device event: the one begun before it on its stream, if that still runs; else -1.

    So begin the branches of a graph, and a kernel that its predecessor launched early (programmatic launch).
    """
    before = before_on_lane(device.lane, device.start_ns)
    runs = (before >= 0) & (device.end_ns[before] > device.start_ns)
    return np.where(runs, before, -1)


def _finished_elsewhere(device: Device) -> Int64:
    """For each device event: the last to end before its start, if elsewhere and launched earlier."""
    last = last_ended(device.end_ns, device.start_ns)
    fits = (last >= 0) & (device.lane[last] != device.lane) & (device.launch_ns[last] <= device.launch_ns)
    return np.where(fits, last, -1)


def _made_room(device: Device, *known: Int64) -> Int64:
    """For each device event that could have begun long before: what ended elsewhere right as it began."""
    ready = device.launch_ns.copy()
    for before in known:
        ready = np.maximum(ready, np.where(before >= 0, device.end_ns[before], ready))
    last = last_ended(device.end_ns, device.start_ns)
    fits = (last >= 0) & (device.lane[last] != device.lane) & (device.launch >= 0)
    fits &= (device.start_ns - device.end_ns[last] <= AT_ONCE_NS) & (
        device.start_ns - ready > LONGEST_LATENCY_NS
    )
    return np.where(fits, last, -1)
