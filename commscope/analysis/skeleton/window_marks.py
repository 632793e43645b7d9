"""Where windows begin and end in the graph of a rank with devices: takes windows, adds marks to a Draft.

A mark follows the device where the host runs ahead of it, else the host: what it follows holds the window
back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from commscope.analysis.launches.calls import Calls
from commscope.analysis.result import Window
from commscope.analysis.skeleton.device_order import KIND_OF_BUSY
from commscope.analysis.skeleton.event_graph import BEGINS, HOST, IDLE, LATENCY, Draft, Label, Nodes
from commscope.analysis.skeleton.stream_waits import Device


def mark_windows(draft: Draft, windows: Sequence[Window], calls: Calls, device: Device) -> None:
    """Marks start and end of every window."""
    times = np.array([time for w in windows for time in (w.start_ns, w.end_ns)], dtype=np.int64)
    issued = np.sort(device.launch_ns[device.instance >= 0])
    stretch = np.searchsorted(issued, times)
    ties = 2 * int(device.row[-1]) + 2 + np.arange(len(times))
    ids = draft.add(Nodes(times, BEGINS, ties, kept=True, stretch=stretch))
    ended = dict(zip(device.end_ns[::-1].tolist(), range(len(device.row) - 1, -1, -1), strict=True))
    for node, time in zip(ids, times.tolist(), strict=True):
        at_end = ended.get(time, -1)
        found = (
            [(int(device.finish[at_end]), LATENCY, 0)] if at_end >= 0 else _before_mark(time, calls, device)
        )
        for source, kind, nominal_ns in found:
            draft.depend(np.array([source]), np.array([node]), Label(kind), nominal_ns)
    draft.marks.extend((w.name, int(ids[2 * i]), int(ids[2 * i + 1])) for i, w in enumerate(windows))


def _before_mark(time: int, calls: Calls, device: Device) -> list[tuple[int, int, int]]:
    """What a moment follows, as (node, kind, nominal time).

    Device work that begins right then; else the device and the host, where the host has already launched
    what the device does next; else the host alone, else the device. What ends right then goes before all.
    """
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
        kind = int(KIND_OF_BUSY[device.busy[latest]])
        return [(int(device.begin[latest]), kind, time - int(device.start_ns[latest]))]
    return [(int(device.finish[latest]), IDLE, time - int(device.end_ns[latest]))]


def _is_behind(time: int, latest: int, device: Device) -> bool:
    """Whether what the device does next had been launched before it was done with what it did last."""
    following = latest + 1
    if following >= len(device.row):
        return False
    return bool(device.launch_ns[following] <= min(time, int(device.end_ns[latest])))
