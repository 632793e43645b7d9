"""Which launches stood because the queue of their stream was full, and what let them go on.

Takes calls and device events; gives pairs of the device event whose begin made room and the call. A driver
keeps about a thousand launches of a stream (960 to 1,020 kernels in traces of CUDA 11 and 12, where records
of events take places too); the launch that finds no place returns right after the oldest one has begun. So a
host far ahead of its device is held up by the device, though all it does is launch.
"""

from __future__ import annotations

import numpy as np

from commscope.trace import Int32, Int64

_FEWEST = 512  # launches ahead on a stream: fewer never fill a queue
_FULL = 0.9  # of the most launches ahead that the stream was seen with
_STANDS = 4  # times what a quick launch takes: one that found a place at once does not stand


def queued_calls(
    calls: tuple[Int64, Int64], launch: Int64, device_start_ns: Int64, lane: Int32
) -> tuple[Int64, Int64]:
    """Pairs (device event, call). `calls` are starts and ends; `launch` is each device event's call, or -1.

    A launch of several device events (a graph) takes long by itself and is never told to stand.
    """
    start, end = calls
    known = np.flatnonzero(launch >= 0)
    single = known[np.bincount(launch[known], minlength=len(start))[launch[known]] == 1]
    took = (end - start)[launch[single]]
    stood = single[took > _STANDS * np.quantile(took, 0.1)] if len(single) else single
    pairs = [(single[:0], single[:0])]
    for stream in np.unique(lane[stood]):
        there = known[lane[known] == stream]
        pairs.append(_released((start, end), launch, device_start_ns, (there, stood[lane[stood] == stream])))
    released, held = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return released, launch[held]


def _released(
    calls: tuple[Int64, Int64], launch: Int64, device_start_ns: Int64, stream: tuple[Int64, Int64]
) -> tuple[Int64, Int64]:
    """Of one stream: the event that began last before a standing launch returned, and the launch's event."""
    start, end = calls
    there, stood = stream
    queue = there[np.lexsort((there, start[launch[there]]))]
    begun = np.maximum.accumulate(device_start_ns[queue])
    last = np.searchsorted(begun, end[launch[queue]], side="left") - 1
    ahead = np.arange(len(queue)) - last
    full = (ahead >= max(_FEWEST, _FULL * ahead.max())) & (last >= 0) & np.isin(queue, stood)
    held, released = queue[full], queue[last[full]]
    returned = end[launch[held]]
    soon = 2 * (returned - begun[last[full]]) < returned - start[launch[held]]
    return released[soon], held[soon]
