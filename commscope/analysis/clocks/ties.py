"""Which ranks stand on one clock: ties and hosts in; each rank's clock, and what can be compared, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from commscope.analysis.rows import ABSENT, Rows
from commscope.trace import Int64


def one_clock(
    ranks: Sequence[int], component: Mapping[int, int], hosts: Mapping[int, str | None]
) -> dict[int, int]:
    """Equal numbers for ranks that bound each other's clocks from both sides, or that name one host.

    `component` numbers the ranks that have collectives; a rank without any stands alone.
    """
    number = {rank: component.get(rank, ABSENT - rank) for rank in ranks}
    first: dict[str, int] = {}
    merged: dict[int, int] = {}
    for rank in ranks:
        host = hosts.get(rank)
        if host is not None:
            here, there = (_root(merged, number[one]) for one in (rank, first.setdefault(host, rank)))
            merged[here] = there
    return {rank: _root(merged, one) for rank, one in number.items()}


def _root(merged: dict[int, int], number: int) -> int:
    while merged.get(number, number) != number:
        number = merged[number]
    return number


def within_one_clock(rows: Rows, instance: Int64, clock_of: Mapping[int, int]) -> Int64:
    """The instance of each row, absent where its members stand on several clocks."""
    matched = np.flatnonzero(instance >= 0)
    if len(set(clock_of.values())) == 1 or len(matched) == 0:
        return instance
    ranks, place = np.unique(rows.rank[matched], return_inverse=True)
    clock = np.array([clock_of[rank] for rank in ranks.tolist()])[place]
    number = instance[matched]
    lowest = np.full(int(number.max()) + 1, np.iinfo(np.int64).max)
    highest = np.full(len(lowest), np.iinfo(np.int64).min)
    np.minimum.at(lowest, number, clock)
    np.maximum.at(highest, number, clock)
    told = np.append(lowest == highest, np.False_)
    return np.where(told[instance], instance, ABSENT)
