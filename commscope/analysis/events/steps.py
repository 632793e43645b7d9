"""Step windows: takes the events of a rank, gives its windows and the step each event belongs to."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from commscope.analysis.events.nesting import NONE
from commscope.analysis.result import Window
from commscope.readers.names.steps import MARKS, step_number
from commscope.schema import CAPTURE, EventKind
from commscope.trace import Events, Int32, Int64


def step_windows(events: Events) -> tuple[Window, ...]:
    """Steps as the profiler marked them, else as the program did; on the device if not on the host."""
    host = np.flatnonzero(events.is_kind(EventKind.OP, EventKind.ANNOTATION))
    projected = np.flatnonzero(events.is_kind(EventKind.DEVICE_ANNOTATION))
    for rows in (host, projected):
        for mark in MARKS:
            numbers = [step_number(mark, name) for name in events.names]
            known = np.array([number is not None for number in numbers], bool)
            marked = rows[known[events.name_id[rows]]] if len(known) else rows
            if len(marked):
                return _windows(events, marked, numbers)
    return ()


def _windows(events: Events, rows: Int64, numbers: list[int | None]) -> tuple[Window, ...]:
    spans: dict[int, tuple[int, int]] = {}
    for row in rows.tolist():
        number = numbers[events.name_id[row]]
        assert number is not None
        start, end = int(events.start_ns[row]), int(events.end_ns[row])
        known = spans.get(number, (start, end))
        spans[number] = (min(start, known[0]), max(end, known[1]))
    ordered = sorted((start, end, number) for number, (start, end) in spans.items() if end > start)
    return tuple(Window(f"step {number}", start, end, number) for start, end, number in ordered)


def window_of(windows: tuple[Window, ...], time_ns: Int64) -> Int32:
    """Index of the step each time lies in, -1 outside every step. Steps do not overlap."""
    if not windows:
        return np.full(len(time_ns), NONE, np.int32)
    starts = np.array([window.start_ns for window in windows], np.int64)
    ends = np.array([window.end_ns for window in windows], np.int64)
    at = np.searchsorted(starts, time_ns, "right") - 1
    return np.where((at >= 0) & (ends[at] > time_ns), at, NONE).astype(np.int32)


def extend_last(windows: tuple[Window, ...], end_ns: Iterable[int]) -> tuple[Window, ...]:
    """The same steps, the last one until everything launched in it has ended."""
    if not windows:
        return windows
    last = windows[-1]
    end = max([last.end_ns, *end_ns])
    return (*windows[:-1], Window(last.name, last.start_ns, end, last.step))


def capture_window(start_ns: Int64, end_ns: Int64) -> Window:
    """The window from the first to the last of the given events."""
    if not len(start_ns):
        return Window(CAPTURE, 0, 0)
    start = int(start_ns.min())
    return Window(CAPTURE, start, max(start, int(end_ns.max())))
