"""Shrinks a happens-before graph by eliminating nodes nobody asks about, in the (max, +) algebra.

Takes a FineGraph; gives Links between the nodes that are left, and the Tree that says which fine edges each
link stands for. A node with p links in and q out is replaced by the p x q ways through it where these are
not more than the links they replace, so the graph never grows. Of parallel links those are kept that are
longest in one of the DIRECTIONS: (work, everything else) as recorded, with work twice as long, half as
long, free, and alone. Whole independent sets are eliminated at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from commscope.analysis.skeleton.event_graph import COMPUTE, COPY, KINDS, FineGraph
from commscope.core import core
from commscope.trace import Int64, Mask

Ids = npt.NDArray[np.signedinteger]

# Factors of (work, everything else) under which a path may be longest; the first is the recorded run.
DIRECTIONS = ((1, 1), (1, 2), (2, 1), (0, 1), (1, 0))
STRETCH = 1 << 16  # nodes that are reduced by themselves
FEWEST = 64  # open nodes worth another round
MOST_SMALL = 1 << 28  # edges whose numbers, and those of all composites, fit 32 bits
HASH = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Links:
    """Edges of a graph in order of target; `path` is a fine edge or a composite of the Tree."""

    source: Ids
    target: Ids
    work_ns: Int64
    rest_ns: Int64
    path: Ids

    def __len__(self) -> int:
        return len(self.source)

    def at(self, chosen: Int64 | Mask | slice) -> Links:
        """Some of the links."""
        columns = (self.source, self.target, self.work_ns, self.rest_ns, self.path)
        return Links(*(column[chosen] for column in columns))

    def moved(self, by: int) -> Links:
        """The links between the same nodes counted from elsewhere."""
        return Links(self.source + by, self.target + by, self.work_ns, self.rest_ns, self.path)

    def placed(self, place: Int64) -> Links:
        """The links between other numbers of the same nodes."""
        place = place.astype(self.source.dtype, copy=False)
        return Links(place[self.source], place[self.target], self.work_ns, self.rest_ns, self.path)


@dataclass(slots=True)
class Tree:
    """Composites: number `edges + i` stands for what `first` and then `second` of i stand for."""

    edges: int
    first: list[Ids] = field(default_factory=list)
    second: list[Ids] = field(default_factory=list)
    count: int = 0

    def add(self, first: Ids, second: Ids) -> Int64:
        """Numbers for new composites."""
        self.first.append(first)
        self.second.append(second)
        numbers = np.arange(self.count, self.count + len(first)) + self.edges
        self.count += len(first)
        return numbers

    def last(self, path: Ids) -> Ids:
        """The fine edge each path ends with."""
        second = self._joined(self.second)
        while (composite := path >= self.edges).any():
            path = path.copy()
            path[composite] = second[path[composite] - self.edges]
        return path

    def expanded(self, path: Ids, owner: Int64) -> tuple[Ids, Int64]:
        """The fine edges of some paths, in order along them, with the owner of each."""
        first, second = self._joined(self.first), self._joined(self.second)
        native = core()
        if native is not None:
            columns = [column.astype(np.int64, copy=False) for column in (first, second, path, owner)]
            path, owner = (
                np.frombuffer(found, dtype=np.int64) for found in native.expand(*columns, self.edges)
            )
            return path, owner
        while (composite := path >= self.edges).any():
            at = np.cumsum(composite + 1) - 1
            inner = path[composite] - self.edges
            path, owner = np.repeat(path, composite + 1), np.repeat(owner, composite + 1)
            path[at[composite] - 1], path[at[composite]] = first[inner], second[inner]
        return path, owner

    @staticmethod
    def _joined(batches: list[Ids]) -> Ids:
        """All batches as one, which takes their place."""
        if len(batches) != 1:
            batches[:] = [np.concatenate((np.empty(0, dtype=np.int64), *batches))]
        return batches[0]


@dataclass(frozen=True, slots=True)
class Reduced:
    """What is left: the fine node of each node, in topological order, and the links between them."""

    node: Int64
    links: Links
    tree: Tree


@dataclass(frozen=True, slots=True)
class _Round:
    node: Int64
    open: Mask
    links: Links


def eliminated(fine: FineGraph) -> Reduced:
    """The graph between the kept nodes, and what could not be eliminated without growth.

    Stretches of nodes are reduced by themselves first, so that what is worked on stays small.
    """
    tree, whole = Tree(len(fine.source)), _links_of(fine)
    crosses = whole.source // STRETCH != whole.target // STRETCH
    open_nodes = ~fine.kept
    open_nodes[whole.source[crosses]] = open_nodes[whole.target[crosses]] = False
    nodes, links = [], [whole.at(crosses)]
    for begin in range(0, len(open_nodes), STRETCH):
        inside = slice(fine.first_edge[begin], fine.first_edge[min(begin + STRETCH, len(open_nodes))])
        own = whole.at(inside).at(~crosses[inside]).moved(-begin)
        mine = open_nodes[begin : begin + STRETCH]
        node, left = _shrunk(_Round(np.arange(begin, begin + len(mine)), mine, own), tree)
        nodes.append(node)
        links.append(left)
    node = np.concatenate(nodes)
    joined = _in_order(links, node, tree)
    node, left = _shrunk(_Round(node, ~fine.kept[node], joined), tree)
    return Reduced(node, _longest(_in_order([left], node, tree), len(node)), tree)


def _shrunk(now: _Round, tree: Tree) -> tuple[Int64, Links]:
    """The fine nodes that are left of a graph, and the links between them, by fine nodes."""
    settled = []
    while True:
        done = ~(now.open[now.links.source] | now.open[now.links.target])
        settled.append(now.links.at(done).placed(now.node))
        now = _Round(now.node, now.open, now.links.at(~done))
        chosen = _chosen(now)
        if np.count_nonzero(chosen) < FEWEST:
            break
        now = _without(now, chosen, tree)
    return now.node, _joined([*settled, now.links.placed(now.node)])


def _in_order(parts: list[Links], node: Int64, tree: Tree) -> Links:
    """Links by fine nodes, numbered by the nodes that are left, in order of the fine edges they end with."""
    place = np.zeros(int(node[-1]) + 1, dtype=np.int64)
    place[node] = np.arange(len(node))
    links = _joined(parts).placed(place)
    return links.at(np.lexsort((tree.last(links.path), links.target)))


def _joined(parts: list[Links]) -> Links:
    columns = zip(*((x.source, x.target, x.work_ns, x.rest_ns, x.path) for x in parts), strict=True)
    return Links(*(np.concatenate(column) for column in columns))


def _links_of(fine: FineGraph) -> Links:
    works = np.isin([KINDS.index(kind) for kind, _, _ in fine.segments], (COMPUTE, COPY))[fine.segment]
    target = np.repeat(np.arange(len(fine.time_ns)), np.diff(fine.first_edge))
    work, rest = np.where(works, fine.weight_ns, 0), np.where(works, 0, fine.weight_ns)
    columns: list[Ids] = [fine.source, target, np.arange(len(fine.source))]
    if len(fine.source) < MOST_SMALL:
        columns = [column.astype(np.int32) for column in columns]
    return Links(columns[0], columns[1], work, rest, columns[2])


def _chosen(now: _Round) -> Mask:
    """Open nodes whose elimination adds no links, no two of them linked."""
    count = len(now.node)
    into = np.bincount(now.links.target, minlength=count)
    out = np.bincount(now.links.source, minlength=count)
    fits = now.open & (into * out <= into + out)
    both = fits[now.links.source] & fits[now.links.target]
    one, other = now.links.source[both], now.links.target[both]
    luck = now.node.astype(np.uint64) * HASH
    fits[np.where(luck[one] < luck[other], one, other)] = False
    return fits


def _without(now: _Round, chosen: Mask, tree: Tree) -> _Round:
    """The graph without the chosen nodes; ways through them stand where their second link stood."""
    links, count = now.links, len(now.node)
    into = np.bincount(links.target, minlength=count)
    begin = np.cumsum(into) - into
    onward = chosen[links.source]
    copies = np.where(chosen[links.target], 0, np.where(onward, into[links.source], 1))
    second = np.repeat(np.arange(len(links)), copies)
    nth = np.arange(len(second)) - np.repeat(np.cumsum(copies) - copies, copies)
    through = np.flatnonzero(onward[second])
    second, nth = second[through], nth[through]
    first = begin[links.source[second]] + nth
    grown = links.at(np.repeat(np.arange(len(links)), copies))
    grown.source[through] = links.source[first]
    grown.work_ns[through] += links.work_ns[first]
    grown.rest_ns[through] += links.rest_ns[first]
    grown.path[through] = tree.add(links.path[first], links.path[second])
    open_nodes, node = now.open[~chosen], now.node[~chosen]
    return _Round(node, open_nodes, _longest(grown.placed(np.cumsum(~chosen) - 1), len(node)))


def _longest(links: Links, count: int) -> Links:
    """Without links that a parallel one outdoes in every direction; the first of equals stays."""
    key = links.target.astype(np.int64) * count + links.source
    by_key = np.argsort(key, kind="stable")
    same = key[by_key[1:]] == key[by_key[:-1]]
    if not same.any():
        return links
    parallel = by_key[np.r_[False, same] | np.r_[same, False]]
    key, work, rest = key[parallel], links.work_ns[parallel], links.rest_ns[parallel]
    fresh = np.r_[True, key[1:] != key[:-1]]
    first, group = np.flatnonzero(fresh), np.cumsum(fresh) - 1
    stays = np.ones(len(links), dtype=bool)
    stays[parallel] = False
    for f, g in DIRECTIONS:
        length = f * work + g * rest
        best = length == np.maximum.reduceat(length, first)[group]
        tie = np.where(best, work if g else rest, -1)
        best = tie == np.maximum.reduceat(tie, first)[group]
        place = np.where(best, np.arange(len(best)), len(best))
        stays[parallel[np.minimum.reduceat(place, first)]] = True
    return links.at(stays)
