"""The critical path across ranks, and how much each collective could be late without anybody noticing.

Takes analyzed ranks, their joined instances, the clock and the windows; gives one CriticalPath a window.
There is one path: from the capture's last end the walk goes back along the edge that explains each recorded
time; at a collective's end that is the transfer, and then the rank that came last: waits never lie on the
path. Each window's path is the piece of it inside the window, so those of steps sum to what they cover. The
parts tile the window without a gap; what lies before the first record of the rank where the walk ends is
`idle`. Slack of an instance is by how much it could begin later without the window ending later (nothing
that ends after the window counts).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import pandas as pd

from commscope.analysis.critical_path.run_graph import EdgeLabel, RunGraph, run_graph
from commscope.analysis.critical_path.slacks import Slacks
from commscope.analysis.result import Clock, CriticalPath, PathPart, RankAnalysis, Window
from commscope.schema import CAPTURE

UNATTRIBUTED = "unattributed"
TRANSFER, UNTOLD = "transfer", "communication"  # the second holds waiting that nothing tells apart
Key = TypeVar("Key", str, int)
_NOTHING = EdgeLabel("idle", None, None)


def critical_paths(
    ranks: Sequence[RankAnalysis], instances: pd.DataFrame, clock: Clock | None, windows: Sequence[Window]
) -> tuple[CriticalPath, ...]:
    """The critical path of every window in which some rank has a skeleton.

    None where the captures have no moment in common on the common clock: nobody waited for anybody then.
    """
    skeletons = [rank.skeleton for rank in ranks if rank.skeleton is not None]
    if not skeletons:
        return ()
    graph = run_graph(skeletons, instances, clock)
    captures = graph.marks.get(CAPTURE, ())
    latest_start = max((int(graph.time_ns[start]) for _, start, _ in captures), default=0)
    if any(int(graph.time_ns[end]) <= latest_start for _, _, end in captures):
        return ()
    return paths_of(graph, windows)


def paths_of(graph: RunGraph, windows: Sequence[Window]) -> tuple[CriticalPath, ...]:
    """The critical path of every window that is marked in the graph."""
    windows = [window for window in windows if window.name in graph.marks and window.span_ns > 0]
    if not windows:
        return ()
    slacks, parts = Slacks(graph), _whole(graph, windows)
    return tuple(_path(window, _inside(parts, window), slacks.within(window)) for window in windows)


def _whole(graph: RunGraph, windows: Sequence[Window]) -> tuple[PathPart, ...]:
    """The path of all windows: of the capture, and of what reaches beyond it."""
    walk = _Walk(graph)
    start_ns, end_ns = min(one.start_ns for one in windows), max(one.end_ns for one in windows)
    capture = [one for one in windows if one.name == CAPTURE]
    until = capture[0].end_ns if capture else end_ns
    parts = walk.back_from(_last_end(graph, capture or windows), Window(CAPTURE, start_ns, until))
    if until < end_ns:
        parts += walk.back_from(_last_end(graph, windows), Window(CAPTURE, until, end_ns))
    return parts


def _last_end(graph: RunGraph, windows: Sequence[Window]) -> int:
    """The latest mark that ends one of the windows."""
    ends = [end for window in windows for _, _, end in graph.marks[window.name]]
    return max(ends, key=lambda node: int(graph.time_ns[node]))


def _inside(parts: Sequence[PathPart], window: Window) -> tuple[PathPart, ...]:
    """The pieces of a path between two moments."""
    first = bisect_right(parts, window.start_ns, key=lambda part: part.end_ns)
    last = bisect_left(parts, window.end_ns, key=lambda part: part.start_ns)
    return tuple(
        replace(part, start_ns=max(part.start_ns, window.start_ns), end_ns=min(part.end_ns, window.end_ns))
        for part in parts[first:last]
    )


def _path(window: Window, parts: tuple[PathPart, ...], slack_ns: dict[int, int]) -> CriticalPath:
    talks = [part for part in parts if part.kind in (TRANSFER, UNTOLD)]
    return CriticalPath(
        window=window.name,
        length_ns=sum(part.end_ns - part.start_ns for part in parts),
        parts=parts,
        by_kind_ns=_sums((part.kind, part) for part in parts),
        by_rank_ns=_sums((part.rank, part) for part in parts),
        by_phase_ns=_sums((part.phase or UNATTRIBUTED, part) for part in parts),
        by_collective_ns=_sums((part.collective or "unknown", part) for part in talks),
        hand_offs=sum(a.rank != b.rank for a, b in pairwise(parts)),
        blocking_ns=sum(part.end_ns - part.start_ns for part in talks),
        slack_ns=slack_ns,
    )


def _sums(parts: Iterable[tuple[Key, PathPart]]) -> dict[Key, int]:
    total: dict[Key, int] = {}
    for key, part in parts:
        total[key] = total.get(key, 0) + part.end_ns - part.start_ns
    return total


class _Walk:
    """Walks back along the edges that explain the recorded times."""

    def __init__(self, graph: RunGraph) -> None:
        self.graph = graph
        self.time, self.rank = graph.time_ns.tolist(), graph.rank.tolist()
        self.first, self.source = graph.first_edge.tolist(), graph.source.tolist()
        self.weight, self.label = graph.weight_ns.tolist(), graph.label.tolist()

    def back_from(self, node: int, window: Window) -> tuple[PathPart, ...]:
        """Parts from the window's start to its end, in order of time."""
        parts: list[PathPart] = []
        until = window.end_ns
        label, rank = _NOTHING, self.rank[node]
        if self.time[node] < until:  # nothing recorded reaches the window's end
            until = self._add(parts, (self.time[node], until), rank, label, window)
        while until > window.start_ns:
            found = self._before(node, until)
            if found is None:
                until = self._add(parts, (window.start_ns, until), self.rank[node], _NOTHING, window)
                break
            edge, source = found
            label = self.graph.labels[self.label[edge]]
            until = self._add(parts, (self.time[source], until), self.rank[node], label, window)
            node = source
        parts.reverse()
        return tuple(parts)

    def _before(self, node: int, until: int) -> tuple[int, int] | None:
        """The edge that explains a node, and its source (the latest start before, where that lies later)."""
        exact = None
        for edge in range(self.first[node], self.first[node + 1]):
            if self.time[self.source[edge]] + self.weight[edge] == self.time[node]:
                exact = edge
                break
        if exact is None:
            return None
        source = self.source[exact]
        if self.time[source] <= until:
            return exact, source
        edges = [edge for v in (source, node) for edge in range(self.first[v], self.first[v + 1])]
        starts = [self.source[edge] for edge in edges if self.time[self.source[edge]] <= until]
        return (exact, max(starts, key=lambda start: self.time[start])) if starts else None

    @staticmethod
    def _add(
        parts: list[PathPart], span: tuple[int, int], rank: int, label: EdgeLabel, window: Window
    ) -> int:
        """Puts a part before the others, or lengthens the first of them; gives the new first instant."""
        start, end = max(span[0], window.start_ns), span[1]
        if start >= end:
            return end
        kind = label.kind if label.is_told else UNTOLD
        part = PathPart(start, end, rank, kind, label.phase, label.collective, label.layer, label.instance)
        if parts and _same(part, parts[-1]):
            part = replace(part, end_ns=parts.pop().end_ns)
        parts.append(part)
        return start


def _same(a: PathPart, b: PathPart) -> bool:
    return (a.rank, a.kind, a.phase, a.collective, a.layer, a.instance) == (
        b.rank,
        b.kind,
        b.phase,
        b.collective,
        b.layer,
        b.instance,
    )
