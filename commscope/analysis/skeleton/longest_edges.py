"""Writes a skeleton: the kept nodes, and each longest path between them as edges by what its time was.

Takes a FineGraph, what is left of it and the routes between its kept nodes; gives a Skeleton in topological
order. A path's time is summed by segment, in order of first occurrence, with a MARK node between two pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commscope.analysis.result import Skeleton
from commscope.analysis.skeleton.elimination import Reduced
from commscope.analysis.skeleton.event_graph import FineGraph
from commscope.trace import Int64, Mask

BLOCK_ROUTES = 4_096


@dataclass(frozen=True, slots=True)
class Route:
    """A path between two kept nodes of a reduced graph: its links in order, as numbers of the tree."""

    start: int
    node: int
    paths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Time by route and segment, in order along each route; every route has at least one. `start` and `node`
    are the kept nodes at the route's ends, counted from 0.
    """

    route: Int64
    segment: Int64
    weight_ns: Int64
    start: Int64
    node: Int64

    @property
    def begins(self) -> Mask:
        """The first piece of each route."""
        first: Mask = np.r_[True, self.route[1:] != self.route[:-1]][: len(self.route)]
        return first

    @property
    def ends(self) -> Mask:
        """The last piece of each route."""
        last: Mask = np.r_[self.route[1:] != self.route[:-1], True][: len(self.route)]
        return last


def skeleton_of(fine: FineGraph, reduced: Reduced, routes: Sequence[Route], rank: int) -> Skeleton:
    """The skeleton; `routes` are in order of the node they lead to."""
    kept = reduced.node[fine.kept[reduced.node]]
    pieces = _pieces(fine, reduced, routes)
    begins, ends = pieces.begins, pieces.ends
    marks = np.bincount(pieces.node[~ends], minlength=len(kept))
    number = np.arange(len(kept)) + np.cumsum(marks)  # of each kept node in the skeleton
    mark = np.cumsum(~ends) - ~ends + pieces.node
    origin = np.full(len(kept) + int(marks.sum()), -1)
    time = np.zeros(len(origin), dtype=np.int64)
    origin[number], time[number] = kept, fine.time_ns[kept]
    passed = np.cumsum(pieces.weight_ns)
    before = (passed - pieces.weight_ns)[begins][np.cumsum(begins) - 1]
    time[mark[~ends]] = (fine.time_ns[kept[pieces.start]] + passed - before)[~ends]
    source = np.where(begins, number[pieces.start], np.r_[-1, mark[:-1]][: len(mark)])
    target = np.where(ends, number[pieces.node], mark)
    order = np.lexsort((ends, pieces.node))
    place = np.zeros(len(fine.time_ns), dtype=np.int64)
    place[kept] = number
    real = origin >= 0
    return Skeleton(
        rank=rank,
        time_ns=time,
        instance=np.where(real, fine.instance[origin], -1),
        is_end=np.where(real, fine.is_end[origin], False),
        edge_source=source[order].astype(np.int32),
        edge_target=target[order].astype(np.int32),
        edge_weight_ns=pieces.weight_ns[order],
        edge_segment=pieces.segment[order].astype(np.int16),
        segments=fine.segments,
        edge_stretch=fine.stretch[kept[pieces.node]][order],
        marks=tuple((name, int(place[a]), int(place[b])) for name, a, b in fine.marks),
    )


def _pieces(fine: FineGraph, reduced: Reduced, routes: Sequence[Route]) -> _Pieces:
    """Walks every route over the fine graph, a block of routes at a time: what one needs stays small."""
    parts = [
        _pieces_of(fine, reduced, routes[begin : begin + BLOCK_ROUTES], begin)
        for begin in range(0, max(1, len(routes)), BLOCK_ROUTES)
    ]
    route, segment, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    place = np.cumsum(fine.kept[reduced.node]) - 1
    ends = np.array([(one.start, one.node) for one in routes], dtype=np.int64).reshape(-1, 2)
    start, node = place[ends[route]].T
    return _Pieces(route, segment, weight, start, node)


def _pieces_of(
    fine: FineGraph, reduced: Reduced, routes: Sequence[Route], number: int
) -> tuple[Int64, Int64, Int64]:
    """Route, segment and time of each piece of some routes, numbered on.

    Pieces of zero length count only where a route has no other.
    """
    owner = np.repeat(np.arange(len(routes)), [len(one.paths) for one in routes])
    path = np.array([path for one in routes for path in one.paths], dtype=np.int64)
    edge, owner = reduced.tree.expanded(path, owner)
    key = owner * len(fine.segments) + fine.segment[edge]
    order = np.argsort(key, kind="stable")
    fresh = np.flatnonzero(np.r_[True, key[order[1:]] != key[order[:-1]]][: len(key)])
    first, key = order[fresh], key[order[fresh]]
    weight = np.add.reduceat(fine.weight_ns[edge[order]], fresh) if len(fresh) else fresh
    route, segment = np.divmod(key, max(1, len(fine.segments)))
    longest = np.zeros(len(routes), dtype=np.int64)
    np.maximum.at(longest, route, weight)
    final = np.r_[owner[1:] != owner[:-1], True][: len(owner)]
    last_segment = fine.segment[edge[final]]
    stays = (weight > 0) | ((longest[route] == 0) & (segment == last_segment[route]))
    along = np.flatnonzero(stays)[np.argsort(first[stays])]
    return route[along] + number, segment[along], weight[along]
