"""Reduces the event-level graph of a rank to the nodes worth keeping, by eliminating the others.

Takes a FineGraph, gives a Skeleton of size O(kept nodes). Elimination in the (max, +) algebra: the weight
of a reduced edge A -> B is the longest path from A to B that meets no other kept node, so every kept node's
time is still exactly the maximum over its in-edges. An edge whose path another kept node already explains
is left out. The pieces of a path (kind, phase, layer) are summed and stand in the order in which they first
occur, each as an edge of its own between MARK nodes; time that lay in between other pieces moves, its
amount does not.

With other durations another path may be the longest: beside the recorded one those are kept that are
longest with work (compute, copies) twice as long, half as long, free, and alone. A what-if that scales all
work by 2, 1/2 or 0 is thus exact inside a rank; one in between, or of a single phase or layer, is a lower
bound there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.result import Skeleton
from commscope.analysis.skeleton.elimination import DIRECTIONS, Links, Reduced, eliminated
from commscope.analysis.skeleton.event_graph import FineGraph
from commscope.analysis.skeleton.longest_edges import Route, skeleton_of

Labels = dict[int, int]  # kept node -> longest path from it
SHIFT = 64


@dataclass(slots=True)
class _Paths:
    """Longest paths between kept nodes in one direction: `into` each from each, `via` which last link.

    A length is one number, (length in this direction << SHIFT) + the part of it that breaks ties.
    """

    factors: tuple[int, int]
    via: list[dict[int, int]]
    into: dict[int, Labels]

    def lengths(self, packed: int) -> tuple[int, int]:
        """Work and rest of a path."""
        length, part = packed >> SHIFT, packed & ((1 << SHIFT) - 1)
        work, rest = self.factors
        return (part, (length - work * part) // rest) if rest else (length // work, part)


def reduce_graph(fine: FineGraph, rank: int) -> Skeleton:
    """The skeleton of one rank."""
    reduced = eliminated(fine)
    kept = fine.kept[reduced.node].tolist()
    sweeps = [_sweep(reduced.links, kept, factors) for factors in DIRECTIONS]
    return skeleton_of(fine, reduced, _routes(reduced, sweeps), rank)


def _sweep(links: Links, kept: list[bool], factors: tuple[int, int]) -> _Paths:
    """Longest paths in one direction, the nodes taken in topological order."""
    first = np.searchsorted(links.target, np.arange(len(kept) + 1)).tolist()
    source, work, rest = links.source.tolist(), links.work_ns.tolist(), links.rest_ns.tolist()
    f, g = factors
    tie = work if g else rest
    weight = [((f * w + g * r) << SHIFT) + t for w, r, t in zip(work, rest, tie, strict=True)]
    labels: list[Labels] = []
    paths = _Paths(factors, [], {})
    for node, keep in enumerate(kept):
        found: Labels = {}
        back: dict[int, int] = {}
        for link in range(first[node], first[node + 1]):
            shift = weight[link]
            for start, length in labels[source[link]].items():
                longer = length + shift
                if longer > found.get(start, -1):
                    found[start], back[start] = longer, link
        if len(found) > 1:
            _prune(found, paths.into)
        paths.via.append(back)
        if keep:
            paths.into[node] = found
            found = {node: 0}
        labels.append(found)
    return paths


def _prune(found: Labels, into: dict[int, Labels]) -> None:
    """Drops kept nodes whose path a later one already explains."""
    for later in sorted(found, reverse=True)[:-1]:
        reach = found.get(later)
        if reach is None:
            continue
        for earlier, length in into[later].items():
            known = found.get(earlier)
            if known is not None and known <= length + reach:
                del found[earlier]


def _routes(reduced: Reduced, sweeps: list[_Paths]) -> list[Route]:
    """The longest path from each kept node to each in each direction, but for what another outdoes in all."""
    source, path = reduced.links.source.tolist(), reduced.links.path.tolist()
    routes: list[Route] = []
    for node in sweeps[0].into:
        seen: dict[int, list[tuple[int, int]]] = {}
        direct: set[int] = set()
        for paths in sweeps:
            via = paths.via[node]
            for start, packed in paths.into[node].items():
                link = via[start]
                if link in direct:
                    continue
                if source[link] == start:
                    direct.add(link)
                work, rest = paths.lengths(packed)
                known = seen.setdefault(start, [])
                if any(work <= w and rest <= r for w, r in known):
                    continue
                known.append((work, rest))
                routes.append(Route(start, node, _walked(paths, (start, node), source, path)))
    return routes


def _walked(paths: _Paths, ends: tuple[int, int], source: list[int], path: list[int]) -> tuple[int, ...]:
    """What the links of a longest path stand for, first one first."""
    start, at = ends
    walked = []
    while at != start:
        link = paths.via[at][start]
        walked.append(path[link])
        at = source[link]
    return tuple(reversed(walked))
