"""What a blocking call of the host waited for: takes calls and device events, adds dependencies to a Draft.

A synchronisation returns after the work it is known to wait for (see `awaited`), any other one after
whatever ended last while it stood. A launch that blocks returns after what it launched, one that found its
queue full after what made room, and what frees memory first waits for the device, then works itself. The
least time any of them took after its work, or in all, counts as its own.
"""

from __future__ import annotations

import numpy as np

from commscope.analysis.attribution import Attribution
from commscope.analysis.launches.calls import Calls
from commscope.analysis.launches.hidden_waits import DRAINS
from commscope.analysis.launches.neighbours import last_ended
from commscope.analysis.names import where_match
from commscope.analysis.skeleton.device_order import LONGEST_LATENCY_NS, gap_kind
from commscope.analysis.skeleton.event_graph import HOST, LATENCY, Draft, Label
from commscope.analysis.skeleton.stream_waits import Device
from commscope.trace import Events, Int64


def return_from_calls(
    draft: Draft, events: Events, attribution: Attribution, calls: Calls, device: Device
) -> None:
    """Says when blocking calls return."""
    own = np.flatnonzero(device.launch >= 0)
    own = own[calls.finish[device.launch[own]] >= 0]
    launches = np.isin(np.arange(len(calls.row)), device.launch)
    waits = np.flatnonzero((calls.finish >= 0) & ~launches)
    known, call_known = calls.awaited
    untold = np.setdiff1d(waits, call_known)
    ended, call_ended = _last_ended(events, calls, device, untold)
    source = np.concatenate((own, known, ended))
    call = np.concatenate((device.launch[own], call_known, call_ended))
    after = calls.end_ns[call] - device.end_ns[source]
    blocked = (after >= 0) & (device.end_ns[source] >= calls.start_ns[call])
    least = min((*after[blocked], *(calls.end_ns - calls.start_ns)[waits]), default=0)
    worked = where_match(events, DRAINS)[calls.row[call]] & (after > LONGEST_LATENCY_NS)
    kind = np.where(worked, HOST, gap_kind(after))
    draft.depend(device.finish[source], calls.finish[call], Label(kind), int(least))
    begun, queued = calls.queued
    draft.depend(device.begin[begun], calls.finish[queued], Label(LATENCY))
    blocking = np.flatnonzero(calls.finish >= 0)
    label = Label(HOST, attribution.phase[calls.row[blocking]], attribution.layer[calls.row[blocking]])
    own_ns = np.where(launches[blocking], 0, int(least))
    draft.depend(calls.begin[blocking], calls.finish[blocking], label, own_ns)


def _last_ended(events: Events, calls: Calls, device: Device, waits: Int64) -> tuple[Int64, Int64]:
    """The last device event to end before each of some calls returned, if it was launched before the call."""
    last = last_ended(device.end_ns, calls.end_ns[waits])
    fits = (last >= 0) & (device.launch_ns[last] <= events.start_ns[calls.row[waits]])
    return last[fits], waits[fits]
