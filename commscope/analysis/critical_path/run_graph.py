"""The happens-before graph of a whole run: every rank's skeleton on the common clock, joined at its
collectives.

Takes skeletons, the joined instances and the clock; gives a RunGraph that replays every recorded time
exactly. An end waits for the starts that gate it: everybody's in an n-to-n collective, the root's in a
broadcast or scatter, in a reduce or gather everybody's for the root, the sender's for a receive. It comes
one transfer after the last of them: T = end - latest gating start. Residual clock error can make T
negative; it is kept as it is, so the recorded end is still reproduced, and the path's walk then follows the
latest gating start that is not after the end. An instance that is not matched keeps its own duration.
Matches that contradict each other (a cycle) are taken apart, the one that overlaps worst first, and counted
in `broken`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from commscope.analysis.clocks import common_time
from commscope.analysis.critical_path.gates import Join, joins_of
from commscope.analysis.critical_path.unfinished_windows import follow_joins, marks_amid
from commscope.analysis.result import Clock, Skeleton
from commscope.core import core
from commscope.trace import Int64


@dataclass(frozen=True, slots=True)
class EdgeLabel:
    """What an edge's time was."""

    kind: str
    phase: str | None
    layer: int | None
    collective: str | None = None
    instance: int | None = None  # matched instance
    is_told: bool = True  # False: communication whose waiting is not told from its transfer


@dataclass(frozen=True, slots=True)
class RunGraph:
    """Nodes in topological order; edges by target: `first_edge[v]` to `first_edge[v + 1]` lead to v."""

    time_ns: Int64
    rank: Int64
    first_edge: Int64
    source: Int64
    weight_ns: Int64
    label: Int64  # index into labels
    row: Int64  # edge -> row of `instances` whose transfer it is, -1
    stretch: Int64  # edge -> row of `instances` it leads to on its rank, -1
    labels: tuple[EdgeLabel, ...]
    begin: Int64  # row of `instances` -> node of its start, -1 without a skeleton
    finish: Int64
    gate: dict[int, int]  # matched instance -> node of its join: the latest start it waits for
    marks: dict[str, tuple[tuple[int, int, int], ...]]  # window -> (rank, start node, end node)
    broken: int = 0


@dataclass(slots=True)
class _Parts:
    """Columns of the graph while it grows; edges are (source, target, weight, label, row, stretch)."""

    time: list[Int64]
    rank: list[Int64]
    edges: list[Int64]
    labels: list[EdgeLabel]
    begin: Int64
    finish: Int64
    marks: dict[str, list[tuple[int, int, int]]]
    count: int = 0


def run_graph(skeletons: Sequence[Skeleton], instances: pd.DataFrame, clock: Clock | None) -> RunGraph:
    """The graph of all ranks that have a skeleton."""
    table = instances.reset_index(drop=True)
    parts = _Parts([], [], [], [], np.full(len(table), -1), np.full(len(table), -1), {})
    transfers = _row_labels(parts, table)
    for skeleton in skeletons:
        _add_rank(parts, skeleton, table, clock)
    times = np.concatenate([*parts.time, np.empty(0, dtype=np.int64)])
    joins = joins_of(table, times, parts.begin, parts.finish)
    broken = 0
    while True:
        graph, tangled = _assemble(parts, joins, transfers, broken)
        if graph is not None:
            return graph
        worst = max(tangled, key=lambda join: join.overrun_ns)
        joins = [join for join in joins if join is not worst]
        broken += 1


def _row_labels(parts: _Parts, table: pd.DataFrame) -> Int64:
    """A label for each row's transfer, and behind them one for idle time; gives the indices of the rows'."""
    columns = [_optional(table[name]) for name in ("phase", "layer", "collective", "instance")]
    told = table["transfer_ns"].notna().tolist()
    for phase, layer, collective, instance, is_told in zip(*columns, told, strict=True):
        parts.labels.append(EdgeLabel("transfer", phase, layer, collective, instance, is_told))
    parts.labels.append(EdgeLabel("idle", None, None))
    return np.arange(len(table))


def _optional(column: pd.Series) -> list[object]:
    return [None if absent else value for value, absent in zip(column.tolist(), column.isna(), strict=True)]


def _add_rank(parts: _Parts, skeleton: Skeleton, table: pd.DataFrame, clock: Clock | None) -> None:
    """One skeleton on the common clock: its nodes, its edges, its marks."""
    here = np.flatnonzero(table["rank"].to_numpy() == skeleton.rank)
    row_of = np.full(max(len(here), 1 + int(skeleton.instance.max(initial=-1))) + 1, -1)
    row_of[table["index"].to_numpy(dtype=np.int64)[here]] = here
    time = common_time(clock, skeleton.rank, skeleton.time_ns)
    first = parts.count
    row = np.where(skeleton.instance >= 0, row_of[skeleton.instance], -1)
    for nodes, chosen in ((parts.begin, ~skeleton.is_end), (parts.finish, skeleton.is_end)):
        at = np.flatnonzero((row >= 0) & chosen)
        nodes[row[at]] = at + first
    source, target = skeleton.edge_source.astype(np.int64), skeleton.edge_target.astype(np.int64)
    gap = time[target] - time[source]
    recorded = skeleton.time_ns[target] - skeleton.time_ns[source]
    binds = skeleton.edge_weight_ns == recorded
    weight = np.where(binds, gap, np.minimum(skeleton.edge_weight_ns, gap))
    own = (row[source] >= 0) & (row[source] == row[target])
    segment = skeleton.edge_segment.astype(np.int64) + len(parts.labels)
    label = np.where(own, row[source], segment)
    stretch = row_of[np.minimum(skeleton.edge_stretch, len(row_of) - 1)]
    edge_row = np.where(own, row[source], -1)
    parts.labels.extend(EdgeLabel(*segment) for segment in skeleton.segments)
    parts.edges.append(np.stack((source + first, target + first, weight, label, edge_row, stretch)))
    parts.time.append(time)
    parts.rank.append(np.full(len(time), skeleton.rank))
    parts.count += len(time)
    for name, start, end in skeleton.marks:
        parts.marks.setdefault(name, []).append((skeleton.rank, start + first, end + first))


def _assemble(
    parts: _Parts, joins: list[Join], transfers: Int64, broken: int
) -> tuple[RunGraph | None, list[Join]]:
    """The graph in topological order, or the joins that are part of cycles."""
    count = parts.count
    edges = np.concatenate([*parts.edges, np.empty((6, 0), dtype=np.int64)], axis=1)
    joined = np.zeros(len(transfers) + 1, dtype=bool)
    joined[[row for join in joins for row in join.rows]] = True
    edges = edges[:, ~((edges[4] >= 0) & joined[edges[4]])]
    added = np.array([edge for n, join in enumerate(joins) for edge in join.edges(count + n)], dtype=np.int64)
    edges = np.concatenate((edges, added.reshape(-1, 6).T), axis=1)
    time = np.concatenate([*parts.time, np.array([join.time_ns for join in joins], dtype=np.int64)])
    found = marks_amid(edges, parts.marks, parts.begin, len(time))
    amid = [one for one in found if parts.labels[edges[3, one.edge]].kind == "transfer"]
    edges = follow_joins(edges, amid, joins, parts.marks, time, idle=len(transfers))
    rank = np.concatenate([*parts.rank, np.array([join.rank for join in joins], dtype=np.int64)])
    order = _topological(edges[0], edges[1], len(time))
    if len(order) < len(time):
        left = set(range(len(time))) - set(order.tolist())
        return None, [join for n, join in enumerate(joins) if count + n in left]
    place = np.empty(len(time), dtype=np.int64)
    place[order] = np.arange(len(time))
    edges[:2] = place[edges[:2]]
    edges = edges[:, np.argsort(edges[1], kind="stable")]
    graph = RunGraph(
        time_ns=time[order],
        rank=rank[order],
        first_edge=np.searchsorted(edges[1], np.arange(len(time) + 1)),
        source=edges[0],
        weight_ns=edges[2],
        label=edges[3],
        row=edges[4],
        stretch=edges[5],
        labels=tuple(parts.labels),
        begin=_placed(parts.begin, place),
        finish=_placed(parts.finish, place),
        gate={join.instance: int(place[count + n]) for n, join in enumerate(joins)},
        marks={
            name: tuple((r, int(place[a]), int(place[b])) for r, a, b in found)
            for name, found in parts.marks.items()
        },
        broken=broken,
    )
    return graph, []


def _placed(nodes: Int64, place: Int64) -> Int64:
    return np.where(nodes >= 0, place[nodes], -1) if len(place) else nodes


def _topological(source: Int64, target: Int64, count: int) -> Int64:
    """Kahn's order of the nodes; nodes on or behind cycles are left out."""
    by_source = np.argsort(source, kind="stable")
    first = np.searchsorted(source[by_source], np.arange(count + 1))
    onward, waiting = target[by_source], np.bincount(target, minlength=count)
    native = core()
    if native is not None:
        order: Int64 = np.frombuffer(native.topological(first, onward, waiting), dtype=np.int64)
        return order
    return np.array(_kahn(first.tolist(), onward.tolist(), waiting.tolist()), dtype=np.int64)


def _kahn(first: list[int], onward: list[int], waiting: list[int]) -> list[int]:
    order = [node for node, count in enumerate(waiting) if count == 0]
    for node in order:
        for edge in range(first[node], first[node + 1]):
            after = onward[edge]
            waiting[after] -= 1
            if waiting[after] == 0:
                order.append(after)
    return order
