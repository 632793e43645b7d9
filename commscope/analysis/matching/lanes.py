"""Which rank set each lane works for: the threads or the stream of a communicator carry no other's work.

On clocks that are known, or of one host, all rows of a lane must overlap an alike row of every other member
of their group, and end with it. A set where some do not is refuted; of the sets left, a lane has that whose
ends agree better than all others', by more than chance would have it with so few rows, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commscope.analysis.alignment.cluster import Known
from commscope.analysis.alignment.offsets import SAME_HOST
from commscope.analysis.alignment.tracks import IS_ROOTED
from commscope.analysis.matching.lane_ways import MOST_CHANCE, NEVER, Gaps, Lanes, OnLane, agreed, chance
from commscope.analysis.matching.places import signatures
from commscope.analysis.rows import ABSENT, LANE_BITS, Members, Rows
from commscope.trace import Int64, Mask

FEWEST_ROWS = 3
MOST_ALONE = 0.1  # of a lane's rows may lack a partner: where windows begin and end
MOST_APART = 0.5  # ... and of a set that is not out, even where rows were lost


@dataclass(frozen=True, slots=True)
class _Alike:
    """Rows of one rank and one signature, on the clock of another rank."""

    start_ns: Int64
    end_ns: Int64


@dataclass(frozen=True, slots=True)
class Owners:
    """By row: the candidate its lane works for (-1: open), whether counts told it, and whether any was told
    before what open lanes leave in doubt was withdrawn.
    """

    candidate: Int64
    by_counts: Mask
    is_told: Mask


def owners_by_lane(
    rows: Rows, here: Int64, candidates: Sequence[Members], known: Known, most: Sequence[int]
) -> Owners:
    """What the lanes of the rows `here` work for; each candidate has so many lanes at `most` on one rank."""
    code = signatures(rows)
    sets = _Sets(candidates, known, most)
    gaps, options, by_clocks = _by_ends(rows, here, code, sets)
    found = agreed(_lanes(rows, here, (code, gaps, options), sets)) or by_clocks
    owner = np.full(len(here), ABSENT, dtype=np.int64)
    for lane, candidate in found.items():
        owner[rows.lane[here] == lane] = candidate
    counted = ~np.isin(rows.lane[here], list(by_clocks))
    settled = _settled(rows.rank[here], owner, code[here], candidates)
    return Owners(settled, counted & (settled >= 0), owner >= 0)


@dataclass(frozen=True, slots=True)
class _Sets:
    """Rank sets, and the clocks known so far."""

    candidates: Sequence[Members]
    known: Known
    most: Sequence[int]  # lanes of each set on one rank

    def offset_ns(self, a: int, b: int) -> int | None:
        """What to add to b's stamps, where the clocks tell."""
        offset = self.known.offset(a, b)
        return 0 if offset is None and self.known.trust(a, b) == SAME_HOST else offset


def _by_ends(
    rows: Rows, here: Int64, code: Int64, sets: _Sets
) -> tuple[dict[tuple[int, int], Gaps], dict[int, list[int]], dict[int, int]]:
    """How far the rows of each lane end from their partners in each candidate; by lane the candidates that
    are left, and the one that ends tell, where they do.
    """
    even = here[~IS_ROOTED[rows.kind[here]]]
    found: dict[tuple[int, int], Gaps] = {}
    options: dict[int, list[int]] = {}
    told: dict[int, int] = {}
    for lane in np.unique(rows.lane[here]).tolist():
        own = even[rows.lane[even] == lane]
        possible = [n for n, members in enumerate(sets.candidates) if lane >> LANE_BITS in members]
        gaps = {n: _gaps_ns(rows, own, (even, code, sets.candidates[n]), sets) for n in possible}
        left = [n for n in possible if _alone(gaps[n]) <= MOST_ALONE]
        best = _best(gaps) if len(own) >= FEWEST_ROWS else ABSENT
        if best != ABSENT:
            told[lane] = best
        options[lane] = [best] if best in left else left
        found |= {(lane, n): gaps[n] for n in possible}
    return found, options, told


def _best(gaps: dict[int, Gaps]) -> int:
    """The candidate whose ends agree better than those of all others; -1 where chance may have it so."""
    met = [n for n, gap in gaps.items() if _alone(gap) <= MOST_APART and not np.isnan(gap).all()]
    best = min(met, key=lambda n: float(np.nanmedian(gaps[n])), default=ABSENT)
    if any(n != best and chance(gaps[best], gaps[n]) > MOST_CHANCE for n in met):
        return ABSENT
    return best


def _lanes(
    rows: Rows,
    here: Int64,
    found: tuple[Int64, dict[tuple[int, int], Gaps], dict[int, list[int]]],
    sets: _Sets,
) -> Lanes:
    """What the search for ways needs of the rows."""
    code, gaps, options = found
    issued = rows.order_ns != rows.start_ns
    firm = ~IS_ROOTED[rows.kind] & np.isin(rows.rank, np.unique(rows.rank[issued]))
    held = {}
    for lane in options:
        own = here[rows.lane[here] == lane]
        columns = (rows.step, code, rows.order_ns, rows.start_ns, rows.end_ns, firm)
        held[lane] = OnLane(*(column[own] for column in columns))
    ranks = sorted({lane >> LANE_BITS for lane in options})
    return Lanes(
        rank={lane: lane >> LANE_BITS for lane in options},
        options=options,
        held=held,
        gaps=gaps,
        candidates=sets.candidates,
        most=sets.most,
        steps={one: np.unique(rows.step[here][rows.rank[here] == one]) for one in ranks},
        offsets_ns={(a, b): sets.offset_ns(a, b) for a in ranks for b in ranks},
    )


def _settled(rank: Int64, owner: Int64, code: Int64, candidates: Sequence[Members]) -> Int64:
    """Without the rows of sets of which a member has rows alike on an open lane: some of the set's may lie
    there.
    """
    settled = owner.copy()
    for alike in np.unique(code[owner < 0]):
        here = code == alike
        torn = np.unique(rank[here & (owner < 0)])
        in_doubt = [n for n, members in enumerate(candidates) if np.isin(torn, members).any()]
        settled[here & np.isin(owner, in_doubt)] = ABSENT
    return settled


def _gaps_ns(rows: Rows, own: Int64, others: tuple[Int64, Int64, Members], sets: _Sets) -> Gaps:
    """How far each row of a lane ends from its nearest partners; infinite where there is none, or where a
    rank's clock is unknown; NaN in steps that a member did not record.
    """
    theirs, code, members = others
    gaps = np.zeros(len(own))
    for other in members if len(own) else ():
        rank = int(rows.rank[own[0]])
        offset = sets.offset_ns(rank, other)
        if offset is None:
            return np.full(len(own), NEVER)
        if other == rank:
            continue
        rival = theirs[rows.rank[theirs] == other]
        moved = _Alike(rows.start_ns[rival] + offset, rows.end_ns[rival] + offset)
        nearest = [_nearest(rows, row, moved, code[rival] == code[row]) for row in own.tolist()]
        shared = np.isin(rows.step[own], rows.step[rival])
        gaps = np.maximum(gaps, np.where(shared, nearest, np.nan))
    return gaps


def _alone(gaps: Gaps) -> float:
    """The share of rows without a partner, of those that can have one."""
    return float(np.mean(gaps[~np.isnan(gaps)] == NEVER)) if not np.isnan(gaps).all() else 0.0


def _nearest(rows: Rows, row: int, other: _Alike, alike: np.ndarray) -> float:
    """How far the nearest alike row that overlaps ends from this one."""
    meets = alike & (other.end_ns >= rows.start_ns[row]) & (other.start_ns <= rows.end_ns[row])
    return float(np.abs(other.end_ns[meets] - rows.end_ns[row]).min()) if meets.any() else NEVER
