"""Windows that end amid a collective: what their marks follow there.

Takes the edges of a run's graph, its marks and its joins; gives the edges, those from a collective's start
to a mark put right. Once the last rank had come the mark follows the join: from there on it is transfer.
Before, the rank only waits, and its mark follows the same mark of the rank it waits for. A collective that
is not matched stays the rank's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from commscope.analysis.critical_path.gates import Join
from commscope.trace import Int64

Marks = Mapping[str, Sequence[tuple[int, int, int]]]  # window -> (rank, start node, end node)


@dataclass(frozen=True, slots=True)
class Amid:
    """Edges from a collective's start to a mark: which edge, the row of the collective, and the mark."""

    edge: int
    row: int
    mark: int


def marks_amid(edges: Int64, marks: Marks, begin: Int64, count: int) -> list[Amid]:
    """The edges that lead from a collective (`begin`: row -> node, -1) to a mark; there are `count` nodes."""
    started = np.flatnonzero(begin >= 0)
    row_of = np.full(count, -1)
    row_of[begin[started]] = started
    is_mark = np.zeros(count, dtype=bool)
    is_mark[[node for found in marks.values() for _, *ends in found for node in ends]] = True
    fits = np.flatnonzero(is_mark[edges[1]] & (row_of[edges[0]] >= 0))
    return [Amid(edge, int(row_of[edges[0, edge]]), int(edges[1, edge])) for edge in fits.tolist()]


def follow_joins(
    edges: Int64, found: Sequence[Amid], joins: Sequence[Join], marks: Marks, time_ns: Int64, idle: int
) -> Int64:
    """The edges with those amid put right; `time_ns` is that of all nodes, the joins' being the last."""
    if not found:
        return edges
    first_join = len(time_ns) - len(joins)
    joined = {row: n for n, join in enumerate(joins) for m, row in enumerate(join.rows) if m in join.gated}
    waiting = {
        one.mark for one in found if one.row in joined and joins[joined[one.row]].time_ns > time_ns[one.mark]
    }
    edges = edges.copy()
    for one in found:
        edges[3, one.edge] = one.row  # a row's own label has its number
        if one.row not in joined:
            continue
        if one.mark not in waiting:
            source = first_join + joined[one.row]
        else:
            edges[3, one.edge] = idle
            source = _same_mark(marks, one.mark, joins[joined[one.row]].rank)
            if source in waiting or source < 0 or time_ns[source] > time_ns[one.mark]:
                continue
        edges[0, one.edge], edges[2, one.edge] = source, time_ns[one.mark] - time_ns[source]
    return edges


def _same_mark(marks: Marks, mark: int, rank: int) -> int:
    """The node of a rank for the same end of the same window, or -1."""
    for found in marks.values():
        for side in (1, 2):
            if any(one[side] == mark for one in found):
                return next((one[side] for one in found if one[0] == rank), -1)
    return -1
