"""How long each window takes in a graph: takes its marks and times, gives windows that do not overlap.

The capture lasts from its earliest start to its latest end over the ranks. Steps share one row of moments: a
step ends when its last rank has ended it, and there the next one begins, so steps sum to what they cover
however far the ranks drift apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from commscope.analysis.graph import RunGraph
from commscope.analysis.result import Window
from commscope.schema import CAPTURE
from commscope.trace import Int64


def spans_of(graph: RunGraph, windows: Sequence[Window]) -> tuple[Window, ...]:
    """The marked windows, the capture first and steps in order, as the graph's times have them."""
    marked = [window for window in windows if window.name in graph.marks]
    steps = [window for window in marked if window.name != CAPTURE]
    return (*_captures(graph, marked), *_between(steps, _moments(graph, steps)))


def lasting_spans(before: RunGraph, after: RunGraph, windows: Sequence[Window]) -> tuple[Window, ...]:
    """`spans_of(after)` where nothing takes longer than before: what a step gains counts as far as it lasts.

    Time that a step gains and a later one only waits for the rest is gained by neither; so no step is longer
    than before.
    """
    marked = [window for window in windows if window.name in after.marks]
    steps = [window for window in marked if window.name != CAPTURE]
    old = _moments(before, steps)
    gained = np.minimum.accumulate((old - _moments(after, steps))[::-1])[::-1]
    return (*_captures(after, marked), *_between(steps, old - gained))


def _captures(graph: RunGraph, marked: Sequence[Window]) -> tuple[Window, ...]:
    return tuple(
        replace(window, start_ns=start, end_ns=max(start, end))
        for window in marked
        if window.name == CAPTURE
        for start, end in [(_first(graph, window), _last(graph, window))]
    )


def _moments(graph: RunGraph, steps: Sequence[Window]) -> Int64:
    """When the first step starts, and each ends on the rank that ends it last."""
    start = [_first(graph, step) for step in steps[:1]]
    ends = [_last(graph, step) for step in steps]
    return np.maximum.accumulate(np.array([*start, *ends], dtype=np.int64))


def _between(steps: Sequence[Window], moments: Int64) -> tuple[Window, ...]:
    times = moments.tolist()
    return tuple(
        replace(step, start_ns=start, end_ns=end)
        for step, start, end in zip(steps, times, times[1:], strict=False)
    )


def _first(graph: RunGraph, window: Window) -> int:
    return min(int(graph.time_ns[node]) for _, node, _ in graph.marks[window.name])


def _last(graph: RunGraph, window: Window) -> int:
    return max(int(graph.time_ns[node]) for _, _, node in graph.marks[window.name])
