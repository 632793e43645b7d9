"""The records of torch's host allocator -> what its blocks held at each moment.

The allocator records a free only on threads that are profiled. Gloo's own threads are not: a buffer whose
last reference goes there, after its collective has ended, is never recorded as free. Such a block is told by
its address, which is used anew or belongs to no living tensor when the records end; it is taken as free from
the end of the first collective that began after it was allocated.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate
from typing import Any

_MEMORY_EVENT = "[memory]"
_CPU_DEVICE = 0
_WORK = "gloo:"

Change = tuple[float, int]  # time, bytes more or less


def levels(events: Sequence[dict[str, Any]], alive: Collection[int]) -> list[tuple[float, int]]:
    """Bytes held over the level at the start, after each change; `alive` are addresses of living tensors."""
    changes = sorted(_changes(events, alive), key=lambda change: change[0])
    totals = accumulate(size for _, size in changes)
    return [(time, total) for (time, _), total in zip(changes, totals, strict=True)]


def _changes(events: Sequence[dict[str, Any]], alive: Collection[int]) -> Iterator[Change]:
    work_ends = _WorkEnds(events)
    held: dict[int, Change] = {}
    for time, address, size in _records(events):
        yield time, size
        before = held.pop(address, None)
        if size < 0:
            continue
        if before is not None:
            end = work_ends.after(before[0])
            yield time if end is None else min(end, time), -before[1]
        held[address] = time, size
    for address, (since, size) in held.items():
        end = work_ends.after(since)
        if address not in alive and end is not None:
            yield end, -size


def _records(events: Sequence[dict[str, Any]]) -> Iterator[tuple[float, int, int]]:
    """Time, address and bytes (less than 0: freed) of the host's records, in order of time."""
    rows = (event for event in events if event.get("name") == _MEMORY_EVENT)
    host = (event for event in rows if event["args"].get("Device Type") == _CPU_DEVICE)
    for event in sorted(host, key=lambda event: event["ts"]):
        yield event["ts"], int(event["args"]["Addr"]), int(event["args"]["Bytes"])


class _WorkEnds:
    """When the first collective begun after a time ended."""

    def __init__(self, events: Sequence[dict[str, Any]]) -> None:
        work = (event for event in events if str(event.get("name", "")).startswith(_WORK) and "dur" in event)
        self._spans = sorted((event["ts"], event["ts"] + event["dur"]) for event in work)

    def after(self, time: float) -> float | None:
        """The end of that collective, or None where none began."""
        first = bisect_left(self._spans, (time, time))
        return self._spans[first][1] if first < len(self._spans) else None
