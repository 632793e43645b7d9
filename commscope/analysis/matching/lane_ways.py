"""Ways to give the lanes of all ranks to rank sets: takes what each lane may work for, gives what is left.

Members of a set have equally many rows of each signature in each step, and the k-th of them overlap. A way
to give a rank's lanes to sets is out where some member of a set has none that goes with it, where another
gives each set the same rows in every step and it does not, and where the ends of another agree better than
chance would have it; until nothing more falls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import exp, factorial, prod

import numpy as np
import numpy.typing as npt

from commscope.analysis.rows import Members
from commscope.trace import Int64, Mask
from commscope.units import NS_PER_US

MOST_WAYS = 600  # of one rank; a rank with more is not asked
MOST_CHANCE = 1e-5  # that ends of what is wrong agree so much better
DOUBT = 1e-2  # ends of another agree so much better that what counts say is not believed
NEVER = float("inf")
FAR_NS = 1e18
Gaps = npt.NDArray[np.float64]
Way = tuple[int, ...]  # by lane of a rank: its candidate


@dataclass(frozen=True, slots=True)
class OnLane:
    """The rows of some lanes of one rank."""

    step: Int64
    code: Int64  # signature
    order_ns: Int64
    start_ns: Int64  # on the rank's own clock
    end_ns: Int64
    must_overlap: Mask  # of even kinds and certain order


@dataclass(frozen=True, slots=True)
class Lanes:
    """Lanes of all ranks, what each may work for, and what lies on it."""

    rank: Mapping[int, int]  # lane -> rank
    options: Mapping[int, Sequence[int]]  # lane -> candidates
    held: Mapping[int, OnLane]
    gaps: Mapping[tuple[int, int], Gaps]  # lane, candidate -> how far its rows end from their partners
    candidates: Sequence[Members]
    most: Sequence[int]  # by candidate: lanes its communicators have on one rank
    offsets_ns: Mapping[tuple[int, int], int | None]  # what to add to the second's stamps, where clocks tell
    steps: Mapping[int, Int64]  # rank -> steps in which it has rows


@dataclass(slots=True)
class _Search:
    """Ways left, and what was found of pairs of them."""

    lanes: Lanes
    own: dict[int, list[int]]  # rank -> lanes
    ways: dict[int, list[Way]]
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], bool] = field(default_factory=dict)
    regular: dict[tuple[int, ...], bool] = field(default_factory=dict)

    def is_regular(self, mine: tuple[int, ...]) -> bool:
        """Whether some lanes of one rank have the same rows in every step."""
        if mine not in self.regular:
            self.regular[mine] = _is_regular(self.lanes, mine)
        return self.regular[mine]

    def go_together(self, mine: tuple[int, ...], yours: tuple[int, ...]) -> bool:
        """Whether some lanes of one rank and some of another can work for one set."""
        if (mine, yours) not in self.known:
            self.known[mine, yours] = _go_together(self.lanes, mine, yours)
        return self.known[mine, yours]


def agreed(lanes: Lanes) -> dict[int, int]:
    """The candidate of each lane that every way left gives it; empty where no way is consistent."""
    own: dict[int, list[int]] = {}
    for lane, rank in lanes.rank.items():
        own.setdefault(rank, []).append(lane)
    search = _Search(
        lanes, own, {rank: found for rank in own if (found := _ways(lanes, own[rank])) is not None}
    )
    while True:
        before = sum(map(len, search.ways.values()))
        for thin in (_consistent, _regular, _likely):
            search.ways = {rank: thin(search, rank) for rank in search.ways}
            if not all(search.ways.values()):
                return {}
        if sum(map(len, search.ways.values())) == before:
            break
    told: dict[int, int] = {}
    for rank, left in search.ways.items():
        for place, lane in enumerate(own[rank]):
            if len({way[place] for way in left}) == 1:
                told[lane] = left[0][place]
    return {} if _against_ends(lanes, told) else told


def _against_ends(lanes: Lanes, told: Mapping[int, int]) -> bool:
    """Whether ends speak against what counts told: rows were lost, and counts mean nothing."""
    return any(
        chance(lanes.gaps[lane, rival], lanes.gaps[lane, n]) < DOUBT
        for lane, n in told.items()
        for rival in range(len(lanes.candidates))
        if (lane, rival) in lanes.gaps and (lanes.gaps[lane, rival] < NEVER).any()
    )


def _ways(lanes: Lanes, mine: Sequence[int]) -> list[Way] | None:
    """Ways to give a rank's lanes to sets, none of which gets more lanes than it has; None: too many."""
    if prod(len(lanes.options[lane]) for lane in mine) > MOST_WAYS:
        return None
    return [
        way
        for way in product(*(lanes.options[lane] for lane in mine))
        if all(way.count(n) <= lanes.most[n] for n in set(way))
    ]


def _consistent(search: _Search, rank: int) -> list[Way]:
    """The ways of a rank that no other member of any of its sets rules out."""
    left = search.ways[rank]
    for n, members in enumerate(search.lanes.candidates):
        for other in members if rank in members else ():
            if other == rank or other not in search.ways:
                continue
            theirs = {_given(search.own[other], way, n) for way in search.ways[other]}
            mine = {_given(search.own[rank], way, n) for way in left}
            fits = {one for one in mine if any(search.go_together(one, yours) for yours in theirs)}
            left = [way for way in left if _given(search.own[rank], way, n) in fits]
    return left


def _given(own: Sequence[int], way: Way, n: int) -> tuple[int, ...]:
    """The lanes that a way gives a candidate."""
    return tuple(lane for lane, candidate in zip(own, way, strict=True) if candidate == n)


def _go_together(lanes: Lanes, mine: tuple[int, ...], yours: tuple[int, ...]) -> bool:
    if not mine or not yours:
        return not mine and not yours
    a, b = lanes.rank[mine[0]], lanes.rank[yours[0]]
    common = np.intersect1d(lanes.steps[a], lanes.steps[b])
    one, other = (_merged([lanes.held[lane] for lane in side], common) for side in (mine, yours))
    if not (np.array_equal(one.step, other.step) and np.array_equal(one.code, other.code)):
        return False
    offset = lanes.offsets_ns[a, b]
    if offset is None:
        return True
    apart = (other.start_ns + offset > one.end_ns) | (one.start_ns > other.end_ns + offset)
    return not bool((apart & one.must_overlap & other.must_overlap).any())


def _merged(parts: Sequence[OnLane], steps: Int64) -> OnLane:
    """The rows of several lanes in some steps, by step and signature, and in the order of the program."""
    names = ("step", "code", "order_ns", "start_ns", "end_ns", "must_overlap")
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
    order = np.lexsort((columns[2], columns[1], columns[0]))
    order = order[np.isin(columns[0][order], steps)]
    return OnLane(*(column[order] for column in columns))


def _regular(search: _Search, rank: int) -> list[Way]:
    """The ways of a rank in which each set has the same rows in every step, where there are such."""
    own, left = search.own[rank], search.ways[rank]
    regular = [
        way
        for way in left
        if all(search.is_regular(_given(own, way, n)) for n in range(len(search.lanes.candidates)))
    ]
    return regular or left


def _is_regular(lanes: Lanes, mine: tuple[int, ...]) -> bool:
    if not mine:
        return True
    steps = lanes.steps[lanes.rank[mine[0]]]
    held = _merged([lanes.held[lane] for lane in mine], steps)
    counts = [np.unique(held.code[held.step == step], return_counts=True) for step in steps.tolist()]
    return all(np.array_equal(one, counts[0]) for one in counts)


def _likely(search: _Search, rank: int) -> list[Way]:
    """The way of a rank whose ends agree best, and those that chance may have made worse."""
    own, left = search.own[rank], search.ways[rank]
    gaps = search.lanes.gaps

    def cost(way: Way) -> float:
        told = [gaps[lane, n] for lane, n in zip(own, way, strict=True)]
        return sum(float(np.nansum(np.log(np.clip(one, NS_PER_US, FAR_NS)))) for one in told)

    best = min(left, key=cost)
    kept = []
    for way in left:
        differ = [(gaps[lane, a], gaps[lane, b]) for lane, a, b in zip(own, best, way, strict=True) if a != b]
        both = [np.concatenate(side) for side in zip(*differ, strict=True)] or [np.empty(0)] * 2
        if way == best or chance(both[0], both[1]) > MOST_CHANCE:
            kept.append(way)
    return kept


def chance(best: Gaps, rival: Gaps) -> float:
    """How likely one set's ends agree so much better than another's by chance: Fisher's combined test.

    Of two gaps drawn alike, one is less than 1/r of the other with a chance of about 1/r; the set with more
    members, whose largest gap counts, doubles that at most.
    """
    both = (best < NEVER) & (rival < NEVER)
    ratio = np.maximum(best[both], NS_PER_US) / np.maximum(rival[both], NS_PER_US)
    surprise = -float(np.log(np.minimum(2 * ratio, 1.0)).sum())
    return exp(-surprise) * sum(surprise**k / factorial(k) for k in range(len(ratio)))
