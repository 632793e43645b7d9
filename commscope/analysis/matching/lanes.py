"""Which rank set each lane works for: the threads or the stream of a communicator carry no other's work.

On clocks that are known, or of one host, all rows of a lane must overlap an alike row of every other member
of their group, and end with it. A set where some do not is refuted; of the sets left, a lane has that whose
ends agree better than all others', by more than chance would have it with so few rows, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, factorial

import numpy as np
import numpy.typing as npt

from commscope.analysis.alignment.cluster import Known
from commscope.analysis.alignment.offsets import SAME_HOST
from commscope.analysis.alignment.tracks import IS_ROOTED
from commscope.analysis.matching.lane_counts import Lanes, agreed
from commscope.analysis.matching.places import signatures
from commscope.analysis.matching.recorded_keys import numbered
from commscope.analysis.rows import ABSENT, LANE_BITS, Members, Rows
from commscope.trace import Int64, Mask
from commscope.units import NS_PER_US

FEWEST_ROWS = 3
MOST_CHANCE = 1e-5  # that ends of a wrong set agree so much better
MOST_ALONE = 0.1  # of a lane's rows may lack a partner: where windows begin and end
NEVER = float("inf")
Gaps = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Alike:
    """Rows of one rank and one signature, on the clock of another rank."""

    start_ns: Int64
    end_ns: Int64


def owners_by_lane(
    rows: Rows, here: Int64, candidates: Sequence[Members], known: Known, most: Sequence[int]
) -> tuple[Int64, Mask]:
    """By row of `here`: the candidate its lane works for, -1 where that is open, and whether counts told.

    `most` says of each candidate how many lanes its communicators have on one rank.
    """
    code = signatures(rows)
    by_clocks, options = _by_ends(rows, here, code, _Sets(candidates, known))
    by_counts = agreed(_lanes(rows, here, code, options, candidates, most))
    owner = np.full(len(here), ABSENT, dtype=np.int64)
    for lane in np.unique(rows.lane[here]).tolist():
        owner[rows.lane[here] == lane] = by_clocks.get(lane, by_counts.get(lane, ABSENT))
    counted = ~np.isin(rows.lane[here], list(by_clocks))
    settled = _settled(rows.rank[here], owner, candidates)
    return settled, counted & (settled >= 0)


@dataclass(frozen=True, slots=True)
class _Sets:
    """Rank sets, and the clocks known so far."""

    candidates: Sequence[Members]
    known: Known


def _by_ends(
    rows: Rows, here: Int64, code: Int64, sets: _Sets
) -> tuple[dict[int, int], dict[int, list[int]]]:
    """By lane: the candidate whose ends agree, where they tell; and all that nothing refutes."""
    even = here[~IS_ROOTED[rows.kind[here]]]
    told: dict[int, int] = {}
    options: dict[int, list[int]] = {}
    for lane in np.unique(rows.lane[here]).tolist():
        rank = lane >> LANE_BITS
        own = even[rows.lane[even] == lane]
        possible = [n for n, members in enumerate(sets.candidates) if rank in members]
        gaps = {
            n: _gaps_ns(rows, own, _others(rows, even, code, sets.candidates[n]), sets.known)
            for n in possible
        }
        options[lane] = [n for n in possible if not len(own) or np.mean(gaps[n] == NEVER) <= MOST_ALONE]
        best = _best(gaps, options[lane]) if len(own) >= FEWEST_ROWS else ABSENT
        if best != ABSENT:
            told[lane], options[lane] = best, [best]
    return told, options


def _best(gaps: dict[int, Gaps], left: list[int]) -> int:
    """The candidate whose ends agree better than those of all others; -1 where chance may have it so."""
    best = min(left, key=lambda n: float(np.median(gaps[n])), default=ABSENT)
    if any(n != best and _chance(gaps[best], gaps[n]) > MOST_CHANCE for n in left):
        return ABSENT
    return best


def _lanes(
    rows: Rows,
    here: Int64,
    code: Int64,
    options: dict[int, list[int]],
    candidates: Sequence[Members],
    most: Sequence[int],
) -> Lanes:
    cell = numbered(rows.step - rows.step.min(), code)[here]
    count = int(cell.max()) + 1
    return Lanes(
        rank={lane: lane >> LANE_BITS for lane in options},
        options=options,
        counts={lane: np.bincount(cell[rows.lane[here] == lane], minlength=count) for lane in options},
        candidates=candidates,
        most=most,
    )


def _settled(rank: Int64, owner: Int64, candidates: Sequence[Members]) -> Int64:
    """Without the rows of sets of which a member has an open lane: some of the set's may lie there."""
    torn = np.unique(rank[owner < 0])
    open_sets = [n for n, members in enumerate(candidates) if np.isin(torn, members).any()]
    return np.where(np.isin(owner, open_sets), ABSENT, owner)


def _others(rows: Rows, even: Int64, code: Int64, members: Members) -> tuple[Int64, Int64, Members]:
    return even[np.isin(rows.rank[even], members)], code, members


def _gaps_ns(rows: Rows, own: Int64, others: tuple[Int64, Int64, Members], known: Known) -> Gaps:
    """How far each row of a lane ends from its nearest partners; infinite where there is none, or where a
    rank's clock is unknown.
    """
    theirs, code, members = others
    rank = int(rows.rank[own[0]])
    gaps = np.zeros(len(own))
    for other in members:
        if other == rank:
            continue
        offset = known.offset(rank, other)
        if offset is None and known.trust(rank, other) != SAME_HOST:
            return np.full(len(own), NEVER)
        rival = theirs[rows.rank[theirs] == other]
        moved = _Alike(rows.start_ns[rival] + (offset or 0), rows.end_ns[rival] + (offset or 0))
        gaps = np.maximum(
            gaps, [_nearest(rows, row, moved, code[rival] == code[row]) for row in own.tolist()]
        )
    return gaps


def _chance(best: Gaps, rival: Gaps) -> float:
    """How likely one set's ends agree so much better than another's by chance: Fisher's combined test.

    Of two gaps drawn alike, one is less than 1/r of the other with a chance of about 1/r; the set with more
    members, whose largest gap counts, doubles that at most.
    """
    both = (best < NEVER) & (rival < NEVER)
    ratio = np.maximum(best[both], NS_PER_US) / np.maximum(rival[both], NS_PER_US)
    surprise = -float(np.log(np.minimum(2 * ratio, 1.0)).sum())
    return exp(-surprise) * sum(surprise**k / factorial(k) for k in range(len(ratio)))


def _nearest(rows: Rows, row: int, other: _Alike, alike: np.ndarray) -> float:
    """How far the nearest alike row that overlaps ends from this one."""
    meets = alike & (other.end_ns >= rows.start_ns[row]) & (other.start_ns <= rows.end_ns[row])
    return float(np.abs(other.end_ns[meets] - rows.end_ns[row]).min()) if meets.any() else NEVER
