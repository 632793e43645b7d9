"""How long each window takes in a graph: takes its marks and times, gives windows that do not overlap.

The capture lasts from its earliest start to its latest end over the ranks. Steps share one row of moments: a
step ends when its last rank has ended it, and there the next one begins, so steps sum to what they cover
however far the ranks drift apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from commscope.analysis.critical_path import RunGraph
from commscope.analysis.result import Window
from commscope.schema import CAPTURE
from commscope.trace import Int64


def spans_of(graph: RunGraph, windows: Sequence[Window]) -> tuple[Window, ...]:
    """The marked windows, the capture first and steps in order, as the graph's times have them."""
    return tuple(one for row in _rows(graph, windows) for one in _between(row, _moments(graph, row)))


def lasting_spans(before: RunGraph, after: RunGraph, windows: Sequence[Window]) -> tuple[Window, ...]:
    """`spans_of(after)` where nothing takes longer than before: gains count as far as they last.

    Time that a step gains and a later one only waits for the rest is gained by neither; so no window is
    longer than before.
    """
    spans: list[Window] = []
    for row in _rows(after, windows):
        old = _moments(before, row)
        gained = np.minimum.accumulate((old - _moments(after, row))[::-1])[::-1]
        spans += _between(row, old - gained)
    return tuple(spans)


def _rows(graph: RunGraph, windows: Sequence[Window]) -> tuple[tuple[Window, ...], tuple[Window, ...]]:
    """The capture alone, and the steps, as far as they are marked."""
    marked = [window for window in windows if window.name in graph.marks]
    return (
        tuple(window for window in marked if window.name == CAPTURE),
        tuple(window for window in marked if window.name != CAPTURE),
    )


def _moments(graph: RunGraph, row: Sequence[Window]) -> Int64:
    """When the first window starts on any rank, and when each has ended on all."""
    starts = [min(int(graph.time_ns[node]) for _, node, _ in graph.marks[one.name]) for one in row[:1]]
    ends = [max(int(graph.time_ns[node]) for _, _, node in graph.marks[one.name]) for one in row]
    return np.maximum.accumulate(np.array([*starts, *ends], dtype=np.int64))


def _between(row: Sequence[Window], moments: Int64) -> tuple[Window, ...]:
    times = moments.tolist()
    return tuple(
        replace(window, start_ns=start, end_ns=end)
        for window, start, end in zip(row, times, times[1:], strict=False)
    )
