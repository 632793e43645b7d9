"""Step windows: takes the events of a rank, gives its windows and the step each event belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from commscope.analysis.events.communication_names import is_gloo_work
from commscope.analysis.events.engine_steps import engine_steps
from commscope.analysis.events.nesting import NONE
from commscope.analysis.names import where_name
from commscope.analysis.result import Window
from commscope.readers.names.steps import MARKS, step_number
from commscope.schema import CAPTURE, DEVICE_KINDS, EventKind
from commscope.trace import Events, Int32, Int64

_LEAST_SHARE = 20  # a last step with less than a twentieth of the usual work was begun, not run
_RECORDED = (EventKind.OP, EventKind.RUNTIME, *DEVICE_KINDS)


def step_windows(events: Events, *, cut_short: bool = False) -> tuple[Window, ...]:
    """Steps as the profiler marked them, else the program, else an engine; on the device if not on the host.

    In a file cut short no step goes on behind the last thing recorded: a mark is written whole where it
    begins.
    """
    windows = _marked_windows(events)
    recorded = np.flatnonzero(events.is_kind(*_RECORDED) | where_name(events, is_gloo_work))
    if not (cut_short and windows and len(recorded)):
        return windows
    last = int(events.end_ns[recorded].max())
    return tuple(replace(one, end_ns=min(one.end_ns, last)) for one in windows if one.start_ns < last)


def steps_run(windows: tuple[Window, ...], issued_ns: Int64) -> tuple[Window, ...]:
    """The steps without a last one that was begun and not run: the profiler marks it behind its last call.

    `issued_ns` is when each piece of work was issued.
    """
    if len(windows) < 2:
        return windows
    step = window_of(windows, issued_ns)
    pieces = np.bincount(step[step >= 0], minlength=len(windows))
    usual = float(np.median(pieces[:-1]))
    return windows[:-1] if usual and pieces[-1] * _LEAST_SHARE < usual else windows


def marked_by_profiler(events: Events) -> bool:
    """Whether the steps are the profiler's own: nothing but its stop follows the last of them."""
    return any(step_number(MARKS[0], name) is not None for name in events.names)


def _marked_windows(events: Events) -> tuple[Window, ...]:
    host = np.flatnonzero(events.is_kind(EventKind.OP, EventKind.ANNOTATION))
    projected = np.flatnonzero(events.is_kind(EventKind.DEVICE_ANNOTATION))
    for rows in (host, projected):
        for mark in MARKS:
            numbers = [step_number(mark, name) for name in events.names]
            known = np.array([number is not None for number in numbers], bool)
            marked = rows[known[events.name_id[rows]]] if len(known) else rows
            if len(marked):
                return _windows(events, marked, numbers)
    return engine_steps(events).windows()


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


def capture_window(start_ns: Int64, end_ns: Int64, last_ns: int | None = None) -> Window:
    """The window from the first to the last of the given events, up to `last_ns`."""
    if not len(start_ns):
        return Window(CAPTURE, 0, 0)
    start, end = int(start_ns.min()), int(end_ns.max())
    end = end if last_ns is None else min(end, last_ns)
    return Window(CAPTURE, start, max(start, end))
