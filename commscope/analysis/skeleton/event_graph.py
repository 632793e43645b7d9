"""The event-level happens-before graph of one rank, before it is reduced.

Takes points in time and dependencies with their nominal lags, gives a FineGraph whose recorded times replay
exactly: for every node, time = max over its in-edges (time of source + weight).

A dependency only says "not before". Of the dependencies into a node, the one with the least time to spare
explains the recorded time and takes the whole recorded gap as its weight (it binds); the others keep their
nominal lag, never more than the recorded gap. A dependency the recorded times contradict is dropped. A node
that nothing explains hangs on the root by an edge of kind `idle`, so no time is ever unaccounted for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from commscope.analysis.attribution import PHASES
from commscope.trace import Int32, Int64, Mask

Column = npt.NDArray[Any]
KINDS = ("compute", "transfer", "copy", "host", "idle", "latency")
COMPUTE, TRANSFER, COPY, HOST, IDLE, LATENCY = range(len(KINDS))

ROOT = 0  # the node everything comes after

# Order of nodes that share an instant: what ends, what happens on the host, what begins.
ENDS, HOSTS, BEGINS = range(3)

# of a node: time, order, tie, instance, whether it is an end, whether it is kept, stretch
_NODE_TYPES = (np.int64, np.int8, np.int32, np.int32, np.bool_, np.bool_, np.int32)
# of an edge: source, target, nominal time, kind, phase, layer
_EDGE_TYPES = (np.int32, np.int32, np.int64, np.int8, np.int8, np.int32)

_FEW_CODES = 1 << 20  # segments that are counted in a table of their own; a layer may bear any number

Segments = tuple[tuple[str, str | None, int | None], ...]


@dataclass(frozen=True, slots=True)
class FineGraph:
    """Nodes in topological order; edges by target: `first_edge[v]` to `first_edge[v + 1]` lead to v."""

    time_ns: Int64
    kept: Mask
    instance: Int64
    is_end: Mask
    stretch: Int64
    first_edge: Int64
    source: Int64
    weight_ns: Int64
    segment: Int32
    segments: Segments
    marks: tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class Nodes:
    """A batch of points to add; `order` and `tie` order nodes that share an instant.

    `stretch` is the index of the collective a kept node leads to.
    """

    time_ns: Int64
    order: int
    tie: Int64
    instance: Int64 | None = None
    is_end: bool = False
    kept: bool | Mask = False
    stretch: int | Int64 = -1


@dataclass(frozen=True, slots=True)
class Label:
    """What an edge's time was: kind, phase (index into PHASES) and layer, -1 where unknown."""

    kind: int | npt.NDArray[np.int64]
    phase: npt.NDArray[np.signedinteger] | int = -1
    layer: npt.NDArray[np.signedinteger] | int = -1


@dataclass(slots=True)
class Draft:
    """Collects nodes and dependencies; `build` makes the graph. Node 0 is the root."""

    root_ns: int
    count: int = 1
    nodes: list[tuple[Column, ...]] = field(default_factory=list)
    edges: list[tuple[Column, ...]] = field(default_factory=list)
    marks: list[tuple[str, int, int]] = field(default_factory=list)

    def add(self, batch: Nodes) -> Int64:
        """Adds points; gives their provisional ids."""
        n = len(batch.time_ns)
        instance = -1 if batch.instance is None else batch.instance
        columns = (batch.time_ns, batch.order, batch.tie, instance, batch.is_end, batch.kept, batch.stretch)
        self.nodes.append(_typed(columns, _NODE_TYPES, n))
        ids = np.arange(self.count, self.count + n)
        self.count += n
        return ids

    def depend(self, source: Int64, target: Int64, label: Label, nominal_ns: int | Int64 = 0) -> None:
        """Says `target` comes no earlier than `source` + nominal; rows with a negative id are left out."""
        columns = _typed(
            (source, target, nominal_ns, label.kind, label.phase, label.layer), _EDGE_TYPES, len(source)
        )
        fits = (source >= 0) & (target >= 0)
        self.edges.append(tuple(column[fits] for column in columns))

    def build(self) -> FineGraph:
        """The graph, its nodes in topological order."""
        root = _typed((self.root_ns, ENDS, -1, -1, False, True, 0), _NODE_TYPES, 1)
        columns = [np.concatenate(parts) for parts in zip(root, *self.nodes, strict=True)]
        time, order, tie, instance, is_end, kept, stretch = columns
        time[0] = time.min()
        rank_of = np.lexsort((is_end, tie, order, time))
        rank_of = np.concatenate((rank_of[rank_of == 0], rank_of[rank_of != 0]))
        position = np.empty(len(rank_of), dtype=np.int32)
        position[rank_of] = np.arange(len(rank_of), dtype=np.int32)
        time = time[rank_of]
        edges = _bind(time, self._placed_edges(position))
        source, target, weight, segment, segments = edges
        return FineGraph(
            time_ns=time,
            kept=kept[rank_of],
            instance=instance[rank_of],
            is_end=is_end[rank_of],
            stretch=stretch[rank_of],
            first_edge=np.searchsorted(target, np.arange(len(time) + 1)),
            source=source,
            weight_ns=weight,
            segment=segment,
            segments=segments,
            marks=tuple((name, int(position[a]), int(position[b])) for name, a, b in self.marks),
        )

    def _placed_edges(self, position: Int32) -> list[Column]:
        empty = _typed((0,) * 6, _EDGE_TYPES, 0)
        source, target, *rest = (np.concatenate(parts) for parts in zip(empty, *self.edges, strict=True))
        source, target = position[source], position[target]
        forward = source < target
        reached = np.bincount(target[forward], minlength=len(position)) > 0
        orphans = np.flatnonzero(~reached[1:]) + 1
        extra = _typed((ROOT, orphans, 0, IDLE, -1, -1), _EDGE_TYPES, len(orphans))
        kept = (source[forward], target[forward], *(column[forward] for column in rest))
        return [np.concatenate(pair) for pair in zip(kept, extra, strict=True)]


def _typed(values: Sequence[object], types: Sequence[type], count: int) -> tuple[Column, ...]:
    """Columns of so many rows, each of its type: small types, as a graph has millions of rows."""
    return tuple(
        np.broadcast_to(np.asarray(value, dtype=kind), (count,))
        for value, kind in zip(values, types, strict=True)
    )


def _bind(time: Int64, edges: list[Column]) -> tuple[Int64, Int64, Int64, Int32, Segments]:
    """Sorts edges by target and gives the tightest one of each target the whole recorded gap."""
    source, target, nominal, kind, phase, layer = edges
    gap = time[target] - time[source]
    weight = np.minimum(nominal, gap)
    order = np.lexsort((np.arange(len(gap)), gap - weight, target))
    source, target, gap, weight = source[order], target[order], gap[order], weight[order]
    binds = np.ones(len(target), dtype=bool)
    binds[1:] = target[1:] != target[:-1]
    weight = np.where(binds, gap, weight)
    segment, segments = _interned(kind[order], phase[order], layer[order])
    return source, target, weight, segment, segments


def _interned(kind: Column, phase: Column, layer: Column) -> tuple[Int32, Segments]:
    layers, phases = int(layer.max(initial=-1)) + 2, len(PHASES) + 1
    codes, inverse = _numbered((kind.astype(np.int64) * phases + phase + 1) * layers + layer + 1)
    segments = tuple(
        (KINDS[kind], PHASES[phase - 1].value if phase else None, layer - 1 if layer else None)
        for kind, phase, layer in (
            (code // layers // phases, code // layers % phases, code % layers) for code in codes.tolist()
        )
    )
    return inverse, segments


def _numbered(code: Int64) -> tuple[Int64, Int32]:
    """The values that occur, in order, and the place of each row's among them."""
    if code.max(initial=0) >= _FEW_CODES:
        codes, inverse = np.unique(code, return_inverse=True)
        return codes, inverse.astype(np.int32)
    used = np.bincount(code) > 0
    return np.flatnonzero(used), (np.cumsum(used) - 1).astype(np.int32)[code]
