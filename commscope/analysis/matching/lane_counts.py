"""Lanes of communicators told by counts: takes what each lane may work for, gives what all ranks agree on.

Members of a set have equally many rows of each signature in each step. A way to give a rank's lanes to sets
is out where some member of a set has none that gives the set the same counts, until nothing more falls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from commscope.analysis.rows import Members
from commscope.trace import Int64

MOST_WAYS = 600  # of one rank; a rank with more is not asked
Way = tuple[int, ...]  # by lane of a rank: its candidate


@dataclass(frozen=True, slots=True)
class Lanes:
    """Lanes of all ranks, what each may work for, and what lies on it."""

    rank: Mapping[int, int]  # lane -> rank
    options: Mapping[int, Sequence[int]]  # lane -> candidates
    counts: Mapping[int, Int64]  # lane -> rows by step and signature
    candidates: Sequence[Members]
    most: Sequence[int]  # by candidate: lanes its communicators have on one rank


def agreed(lanes: Lanes) -> dict[int, int]:
    """The candidate of each lane that every consistent way gives it; empty where no way is consistent."""
    own: dict[int, list[int]] = {}
    for lane, rank in lanes.rank.items():
        own.setdefault(rank, []).append(lane)
    ways = {
        rank: _ways(lanes, mine)
        for rank, mine in own.items()
        if prod(len(lanes.options[lane]) for lane in mine) <= MOST_WAYS
    }
    while True:
        kept = {rank: _consistent(lanes, own, ways, rank) for rank in ways}
        if not all(kept.values()):
            return {}
        if all(len(kept[rank]) == len(ways[rank]) for rank in ways):
            break
        ways = kept
    found: dict[int, int] = {}
    for rank, left in ways.items():
        for place, lane in enumerate(own[rank]):
            told = {way[place] for way in left}
            if len(told) == 1:
                found[lane] = told.pop()
    return found


def _ways(lanes: Lanes, mine: Sequence[int]) -> list[Way]:
    """Ways to give a rank's lanes to sets, none of which gets more lanes than it has."""
    return [
        way
        for way in product(*(lanes.options[lane] for lane in mine))
        if all(way.count(n) <= lanes.most[n] for n in set(way))
    ]


def _consistent(
    lanes: Lanes, own: Mapping[int, Sequence[int]], ways: Mapping[int, list[Way]], rank: int
) -> list[Way]:
    """The ways of a rank that no other member of any of its sets rules out."""
    left = ways[rank]
    for n, members in enumerate(lanes.candidates):
        if rank not in members:
            continue
        for other in members:
            if other != rank and other in ways:
                theirs = {_count(lanes, own[other], way, n) for way in ways[other]}
                left = [way for way in left if _count(lanes, own[rank], way, n) in theirs]
    return left


def _count(lanes: Lanes, mine: Sequence[int], way: Way, n: int) -> bytes:
    """What a way gives a candidate, by step and signature; equal for equal counts."""
    held = [lanes.counts[lane] for lane, candidate in zip(mine, way, strict=True) if candidate == n]
    return np.sum(held, axis=0).astype(np.int64).tobytes() if held else b""
