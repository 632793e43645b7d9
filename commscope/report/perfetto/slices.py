"""Slices, tracks and arrows as events of the Chrome JSON format, which Perfetto reads.

Its stamps are microseconds; decimals keep nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
NS_PER_US = 1_000


@dataclass(frozen=True, slots=True)
class Slice:
    """A named span on a track, in ns since the capture began."""

    start_ns: int
    end_ns: int
    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Track:
    """A row of the timeline: its process, its place in it, and its slices."""

    process: int
    thread: int
    name: str
    slices: Sequence[Slice]


def track_events(track: Track) -> Iterable[Event]:
    """The track's name and order, and its slices."""
    place = {"pid": track.process, "tid": track.thread}
    yield {"ph": "M", "name": "thread_name", **place, "args": {"name": track.name}}
    yield {"ph": "M", "name": "thread_sort_index", **place, "args": {"sort_index": track.thread}}
    for one in track.slices:
        span = {"ts": one.start_ns / NS_PER_US, "dur": (one.end_ns - one.start_ns) / NS_PER_US}
        yield {"ph": "X", "name": one.name, **place, **span, "args": dict(one.args)}


def process_events(process: int, name: str, order: int) -> Iterable[Event]:
    """The name of a process, and where it stands."""
    yield {"ph": "M", "name": "process_name", "pid": process, "args": {"name": name}}
    yield {"ph": "M", "name": "process_sort_index", "pid": process, "args": {"sort_index": order}}


@dataclass(frozen=True, slots=True)
class Arrow:
    """From a moment on one track to a moment on another, both in slices."""

    number: int
    name: str
    source: tuple[int, int, int]  # process, thread, ns
    target: tuple[int, int, int]


def arrow_events(arrow: Arrow) -> Iterable[Event]:
    """A flow of two ends, each bound to the slice around it."""
    for phase, (process, thread, time_ns) in (("s", arrow.source), ("f", arrow.target)):
        told = {"cat": "collective", "name": arrow.name, "id": arrow.number, "bp": "e"}
        yield {"ph": phase, **told, "pid": process, "tid": thread, "ts": time_ns / NS_PER_US}


def lanes_of(spans: Sequence[tuple[int, int]]) -> list[int]:
    """A lane for each span, sorted by start: the first that is free, so that none overlaps another."""
    free: list[int] = []
    lanes = []
    for start_ns, end_ns in spans:
        lane = next((n for n, until_ns in enumerate(free) if until_ns <= start_ns), len(free))
        if lane == len(free):
            free.append(end_ns)
        free[lane] = end_ns
        lanes.append(lane)
    return lanes
