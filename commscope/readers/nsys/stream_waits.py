"""Stream waits in an nsys export.

Takes the synchronisation records of one process and device, gives for each the stream and the call it
waited on, where `--cuda-event-trace=true` recorded the events.
"""

from __future__ import annotations

from bisect import bisect_left

from commscope.readers.nsys import tables
from commscope.readers.nsys.sqlite_file import Database
from commscope.schema import NO_VALUE
from commscope.trace import Int64

STREAM_WAIT = 2
WANTED = ("syncType", "eventId", "eventSyncId")


def awaited(base: Database, rows: Int64, where: str) -> list[tuple[int, int]]:
    """(stream, correlation) behind each row of (..., correlation, syncType, eventId, eventSyncId).

    A wait names an event, which may be recorded many times: the record meant is the one with the same
    eventSyncId, else the last one before the wait, calls of a process being numbered in order.
    """
    records = base.integers(tables.RECORDS, ("eventId", "eventSyncId", "streamId", "correlationId"), where)
    by_sync = {sync: (stream, call) for _, sync, stream, call in records.tolist() if sync > 0}
    by_event: dict[int, list[tuple[int, int]]] = {}
    for event, _, stream, call in records.tolist():
        by_event.setdefault(event, []).append((call, stream))
    for calls in by_event.values():
        calls.sort()
    return [
        _awaited(by_sync, by_event, (call, event, sync)) if kind == STREAM_WAIT else (NO_VALUE, NO_VALUE)
        for call, kind, event, sync in rows[:, 3:7].tolist()
    ]


def _awaited(
    by_sync: dict[int, tuple[int, int]],
    by_event: dict[int, list[tuple[int, int]]],
    wait: tuple[int, int, int],
) -> tuple[int, int]:
    call, event, sync = wait
    if sync in by_sync:
        return by_sync[sync]
    calls = by_event.get(event, [])
    place = bisect_left(calls, (call, NO_VALUE)) - 1
    return (calls[place][1], calls[place][0]) if place >= 0 else (NO_VALUE, NO_VALUE)
