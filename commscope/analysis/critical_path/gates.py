"""How a matched collective ties its ranks: which starts gate which ends.

Takes the joined instances and the recorded times of their nodes; gives one Join per matched instance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from commscope.schema import Collective
from commscope.trace import Int64

FROM_ROOT = (Collective.BROADCAST, Collective.SCATTER)
TO_ROOT = (Collective.REDUCE, Collective.GATHER)
PAIRED = (Collective.SEND, Collective.RECV)


@dataclass(frozen=True, slots=True)
class Join:
    """A matched instance. The join's node is the latest start that gates somebody else, an n-to-n one's
    latest start.

    `alone` are members whose end only their own start gates.
    """

    instance: int
    rows: tuple[int, ...]
    begins: tuple[int, ...]  # nodes
    finishes: tuple[int, ...]
    start_ns: tuple[int, ...]
    end_ns: tuple[int, ...]
    gating: tuple[int, ...]  # members whose start gates others
    gated: tuple[int, ...]  # members whose end they gate
    time_ns: int
    rank: int

    @property
    def overrun_ns(self) -> int:
        """By how much the join lies after the earliest end it gates."""
        return self.time_ns - min(self.end_ns[m] for m in self.gated)

    def edges(self, node: int) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Edges (source, target, weight, label, row, stretch) of this join, whose node is `node`."""
        for m in self.gating:
            yield self.begins[m], node, 0, self.rows[m], -1, -1
        for m, row in enumerate(self.rows):
            last = self.start_ns[m]
            if m in self.gated:
                last = max(last, self.time_ns)
                yield node, self.finishes[m], self.end_ns[m] - last, row, row, -1
            if m not in self.gated or m not in self.gating:
                yield self.begins[m], self.finishes[m], self.end_ns[m] - last, row, row, -1


def joins_of(table: pd.DataFrame, times: Int64, begin: Int64, finish: Int64) -> list[Join]:
    """Joins of the instances matched on at least two ranks, in order of instance."""
    instance = table["instance"]
    present = instance.notna().to_numpy() & (begin >= 0) & (finish >= 0)
    rows = np.flatnonzero(present)
    number = instance.to_numpy(dtype=np.int64, na_value=-1)[rows]
    order = np.lexsort((rows, number))
    rows, number = rows[order], number[order]
    kinds = table["collective"].tolist()
    ranks = table["rank"].tolist()
    peers = table["peer"].to_numpy(dtype=np.int64, na_value=-1).tolist()
    cuts = np.flatnonzero(np.diff(number)) + 1
    joins = []
    for members in np.split(rows, cuts):
        mine = members.tolist()
        if len(mine) < 2:
            continue
        gating, gated = _gates([kinds[r] for r in mine], [ranks[r] for r in mine], [peers[r] for r in mine])
        if not gating or not gated:
            continue
        start = times[begin[members]].tolist()
        last = max(gating, key=lambda m, start=start: start[m])  # type: ignore[misc]
        joins.append(
            Join(
                instance=int(instance.iloc[mine[0]]),
                rows=tuple(mine),
                begins=tuple(begin[members].tolist()),
                finishes=tuple(finish[members].tolist()),
                start_ns=tuple(start),
                end_ns=tuple(times[finish[members]].tolist()),
                gating=gating,
                gated=gated,
                time_ns=start[last],
                rank=ranks[mine[last]],
            )
        )
    return joins


def _gates(kinds: list[str], ranks: list[int], peers: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Members whose start gates others, and members whose end is gated by them."""
    members = tuple(range(len(kinds)))
    root = max(peers)
    roots = tuple(m for m in members if ranks[m] == root)
    if kinds[0] in FROM_ROOT:
        return roots, members
    if kinds[0] in TO_ROOT:
        return members, roots
    if set(kinds) <= set(PAIRED):
        return (
            tuple(m for m in members if kinds[m] == Collective.SEND),
            tuple(m for m in members if kinds[m] == Collective.RECV),
        )
    return members, members
