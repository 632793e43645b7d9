"""Which rank set each lane works for: the threads or the stream of a communicator carry no other's work.

On clocks that are known, or of one host, all rows of a lane must overlap an alike row of every other member
of their group, and end with it. A set where some do not is refuted; of the sets left, a lane has that whose
ends agree clearly best, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from commscope.analysis.alignment.cluster import Known
from commscope.analysis.alignment.offsets import SAME_HOST
from commscope.analysis.alignment.tracks import IS_ROOTED
from commscope.analysis.matching.places import signatures
from commscope.analysis.matching.recorded_keys import numbered
from commscope.analysis.rows import ABSENT, Members, Rows
from commscope.trace import Int64, Mask
from commscope.units import NS_PER_US

FEWEST_ROWS = 3
CLEARLY = 3.0  # how much worse the ends of every other set must agree
MOST_OPEN_LANES = 3  # of one rank; more choices are not tried
MOST_ALONE = 0.1  # of a lane's rows may lack a partner: where windows begin and end
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class _Alike:
    """Rows of one rank and one signature, on the clock of another rank."""

    start_ns: Int64
    end_ns: Int64


def owners_by_lane(
    rows: Rows, here: Int64, candidates: Sequence[Members], known: Known
) -> tuple[Int64, Mask]:
    """By row of `here`: the candidate its lane works for, -1 where that is open, and whether counts told."""
    owner = np.full(len(here), ABSENT, dtype=np.int64)
    even = here[~IS_ROOTED[rows.kind[here]]]
    code = signatures(rows)
    options: dict[int, list[int]] = {}
    for lane in np.unique(rows.lane[even]).tolist():
        own = even[rows.lane[even] == lane]
        rank = int(rows.rank[own[0]])
        possible = [n for n, members in enumerate(candidates) if rank in members]
        gaps = [_gap_ns(rows, own, _others(rows, even, code, candidates[n]), known) for n in possible]
        best, rival, *_ = (*sorted(gaps), NEVER, NEVER)
        if len(own) >= FEWEST_ROWS and best < NEVER and rival > CLEARLY * max(best, NS_PER_US):
            owner[rows.lane[here] == lane] = possible[gaps.index(best)]
        elif best < NEVER:
            options[lane] = [n for n, gap in zip(possible, gaps, strict=True) if gap < NEVER]
    lanes = _Lanes(rows, here, numbered(rows.step, code)[here], candidates)
    by_clocks = owner >= 0
    while True:
        filled = _by_counts(lanes, owner, options)
        if np.array_equal(filled, owner):
            return _settled(lanes, owner), ~by_clocks & (owner >= 0)
        owner = filled


@dataclass(frozen=True, slots=True)
class _Lanes:
    """Rows to divide, the step and signature of each, and the rank sets."""

    rows: Rows
    here: Int64
    cell: Int64  # by row of `here`
    candidates: Sequence[Members]


def _by_counts(lanes: _Lanes, owner: Int64, options: dict[int, list[int]]) -> Int64:
    """What is open on one rank is told by the ranks on which nothing is: members of a set have equally many
    rows of each signature in each step.
    """
    filled = owner.copy()
    rank, lane = lanes.rows.rank[lanes.here], lanes.rows.lane[lanes.here]
    whole = [one for one in np.unique(rank).tolist() if (owner[rank == one] >= 0).all()]
    for one in np.unique(rank).tolist():
        mine = np.unique(lane[(rank == one) & (owner < 0)]).tolist()
        if not mine or len(mine) > MOST_OPEN_LANES or any(number not in options for number in mine):
            continue
        fitting = []
        for choice in product(*(options[number] for number in mine)):
            tried = owner.copy()
            for number, candidate in zip(mine, choice, strict=True):
                tried[lane == number] = candidate
            if _agrees(lanes, tried, one, whole):
                fitting.append(tried)
        if len(fitting) == 1:
            filled[rank == one] = fitting[0][rank == one]
    return filled


def _settled(lanes: _Lanes, owner: Int64) -> Int64:
    """Without the rows of sets of which a member has an open lane: some of the set's may lie there."""
    rank = lanes.rows.rank[lanes.here]
    torn = np.unique(rank[owner < 0])
    open_sets = [n for n, members in enumerate(lanes.candidates) if np.isin(torn, members).any()]
    return np.where(np.isin(owner, open_sets), ABSENT, owner)


def _agrees(lanes: _Lanes, owner: Int64, one: int, whole: list[int]) -> bool:
    """Whether a rank has in each of its sets what the settled ranks of that set have."""
    rank = lanes.rows.rank[lanes.here]
    for n, members in enumerate(lanes.candidates):
        if one not in members:
            continue
        own = np.sort(lanes.cell[(rank == one) & (owner == n)])
        for other in set(members) & set(whole) - {one}:
            if not np.array_equal(own, np.sort(lanes.cell[(rank == other) & (owner == n)])):
                return False
    return bool({other for members in lanes.candidates if one in members for other in members} & set(whole))


def _others(rows: Rows, even: Int64, code: Int64, members: Members) -> tuple[Int64, Int64, Members]:
    return even[np.isin(rows.rank[even], members)], code, members


def _gap_ns(rows: Rows, own: Int64, others: tuple[Int64, Int64, Members], known: Known) -> float:
    """The median over a lane's rows of how far they end from their nearest partners; infinite where a rank's
    clock is unknown or too many rows have none.
    """
    theirs, code, members = others
    rank = int(rows.rank[own[0]])
    gaps = np.zeros(len(own))
    for other in members:
        if other == rank:
            continue
        offset = known.offset(rank, other)
        if offset is None and known.trust(rank, other) != SAME_HOST:
            return NEVER
        rival = theirs[rows.rank[theirs] == other]
        moved = _Alike(rows.start_ns[rival] + (offset or 0), rows.end_ns[rival] + (offset or 0))
        gaps = np.maximum(
            gaps, [_nearest(rows, row, moved, code[rival] == code[row]) for row in own.tolist()]
        )
    return NEVER if np.mean(gaps == NEVER) > MOST_ALONE else float(np.median(gaps))


def _nearest(rows: Rows, row: int, other: _Alike, alike: np.ndarray) -> float:
    """How far the nearest alike row that overlaps ends from this one."""
    meets = alike & (other.end_ns >= rows.start_ns[row]) & (other.start_ns <= rows.end_ns[row])
    return float(np.abs(other.end_ns[meets] - rows.end_ns[row]).min()) if meets.any() else NEVER
