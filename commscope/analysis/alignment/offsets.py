"""Two tracks of one group -> which rows are one collective, and by how much the second clock is off.

Windows may start apart, rows may be missing and clocks may be off, so neither order nor time alone proves a
pair. Offsets under which many alike rows end together are proposed; each is judged by how many rows it
pairs, how many rows both ranks should share stay without partner, and how well the ends agree (an n-to-n
collective ends together everywhere). A pairing is taken only if it beats every other that could explain the
same rows; else none is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.alignment.drift import follow
from commscope.analysis.alignment.tracks import (
    Edges,
    Track,
    alike_pairs,
    assign,
    is_rooted,
    middle,
    overlapping,
    part,
)
from commscope.trace import Int64
from commscope.units import NS_PER_MS, NS_PER_US

LONGEST_ROWS = 1200
WIDE_ROWS = 4000
CHUNKS = ((400, 2000), (60, 1000))  # rows of one track and of the other
VOTE_WIDTHS_NS = (4 * NS_PER_US, 40 * NS_PER_US, 400 * NS_PER_US, 4 * NS_PER_MS)
PEAKS = 5
MOST_EXPLANATIONS = 8
FAR_NS = 1 << 61
FEWEST_PAIRS = 3  # without clocks that agree already, fewer pairs prove nothing


@dataclass(frozen=True, slots=True)
class Trust:
    """How far raw clocks may be believed: None where the hosts differ."""

    raw_clocks_ns: int | None


SAME_HOST = Trust(NS_PER_MS)
UNKNOWN_HOSTS = Trust(50 * NS_PER_MS)
OTHER_HOST = Trust(None)


@dataclass(frozen=True, slots=True)
class Fit:
    """One explanation: the offset to add to b's stamps, its pairs, and what speaks for and against it."""

    offset_ns: int
    pairs: Edges
    misfits: int
    spread_ns: float
    low_ns: int
    high_ns: int

    @property
    def agrees_with_raw_clocks(self) -> bool:
        """Whether the stamps are possible as they stand."""
        return self.low_ns <= 0 <= self.high_ns


def align(a: Track, b: Track, trust: Trust) -> Fit | None:
    """The one explanation that beats all others, or None."""
    if len(a) == 0 or len(b) == 0:
        return None
    for some_a, some_b in _stretches(a, b):
        best = _best(some_a, some_b, trust)
        if best is not None:
            return (
                best
                if some_a is a and len(best.pairs) == min(len(a), len(b))
                else at_offset(a, b, best.offset_ns)
            )
    return None


def at_offset(a: Track, b: Track, offset_ns: int) -> Fit:
    """The pairs under an offset known about the middle of a."""
    return _judged(a, b, offset_ns, follow(a, b, offset_ns))


def _stretches(a: Track, b: Track) -> list[tuple[Track, Track]]:
    """What is compared to find the offset: all of it, then the middle of long tracks, shorter and shorter.

    A short stretch holds fewer landmarks, but a drifting clock keeps its offset along it.
    """
    pairs = [(a, b)] if len(a) <= LONGEST_ROWS and len(b) <= WIDE_ROWS else []
    for rows, wide in CHUNKS:
        if len(a) > rows:
            pairs.append((_middle_of(a, rows), _middle_of(b, wide)))
    return pairs or [(a, _middle_of(b, WIDE_ROWS))]


def _middle_of(track: Track, rows: int) -> Track:
    first = max(0, len(track) // 2 - rows // 2)
    return part(track, slice(first, first + rows))


def _best(a: Track, b: Track, trust: Trust) -> Fit | None:
    """The winner among the explanations of short tracks."""
    fits = _distinct([_judged(a, b, guess, _nearest(overlapping(a, b, guess))) for guess in _guesses(a, b)])
    offsets = {0, *(fit.offset_ns for fit in fits[:MOST_EXPLANATIONS])}
    fits = _distinct([_fit(a, b, offset) for offset in sorted(offsets)])
    if not fits:
        return None
    fits = [fit for fit in fits if 2 * len(fit.pairs) >= max(len(one.pairs) for one in fits)]
    winners = [fit for fit in fits if all(_beats(fit, other, trust) for other in fits if other is not fit)]
    return winners[0] if len(winners) == 1 and _enough(winners[0], trust) else None


def _guesses(a: Track, b: Track) -> list[int]:
    """Offsets under which many alike rows end together; the raw clocks are always tried."""
    votes = alike_pairs(a, b) & ~is_rooted(a)[:, None]
    distance = np.sort((a.end_ns[:, None] - b.end_ns[None, :])[votes])
    guesses = [0]
    for width in VOTE_WIDTHS_NS:
        guesses.extend(_peaks(distance, width))
    return sorted(set(guesses), key=abs)


def _peaks(sorted_ns: Int64, width_ns: int) -> list[int]:
    """Medians of the fullest windows of a width that do not overlap."""
    last = np.searchsorted(sorted_ns, sorted_ns + width_ns, side="right")
    counts = last - np.arange(len(sorted_ns))
    found: list[int] = []
    fullest = np.argpartition(-counts, 64 * PEAKS)[: 64 * PEAKS] if len(counts) > 64 * PEAKS else slice(None)
    order = np.arange(len(counts))[fullest]
    for k in order[np.argsort(-counts[order], kind="stable")]:
        middle = int(sorted_ns[(k + last[k] - 1) // 2])
        if all(abs(middle - other) > width_ns for other in found):
            found.append(middle)
        if len(found) == PEAKS:
            break
    return found


def _fit(a: Track, b: Track, offset_ns: int) -> Fit:
    """The best explanation met while the offset is moved to where its pairs' ends agree, inside their
    bounds.
    """
    met = [_judged(a, b, offset_ns, assign(overlapping(a, b, offset_ns)))]
    for _ in range(4):
        last = met[-1]
        even = last.pairs.gap_ns[~is_rooted(a)[last.pairs.i]]
        if len(even) == 0:
            break
        moved = last.offset_ns + middle(even)
        if last.low_ns <= last.high_ns:
            moved = min(max(moved, last.low_ns), last.high_ns)
        if abs(moved - last.offset_ns) <= 1:
            break
        met.append(_judged(a, b, moved, assign(overlapping(a, b, moved))))
    return min(met, key=_badness)


def _nearest(edges: Edges) -> Edges:
    """Edges that are the nearest of both their rows."""
    if len(edges) == 0:
        return edges
    order = np.argsort(np.abs(edges.gap_ns), kind="stable")
    first_i = np.zeros(len(edges), dtype=np.bool_)
    first_j = np.zeros(len(edges), dtype=np.bool_)
    first_i[order[np.unique(edges.i[order], return_index=True)[1]]] = True
    first_j[order[np.unique(edges.j[order], return_index=True)[1]]] = True
    return edges.keep(first_i & first_j)


def _judged(a: Track, b: Track, offset_ns: int, pairs: Edges) -> Fit:
    i, j = pairs.i, pairs.j
    even = pairs.gap_ns[~is_rooted(a)[i]]
    spread = float(middle(np.abs(even - middle(even)))) if len(even) else float("inf")
    hard = ~is_rooted(a)[i]
    low, high = a.start_ns[i][hard] - b.end_ns[j][hard], a.end_ns[i][hard] - b.start_ns[j][hard]
    return Fit(
        offset_ns=offset_ns,
        pairs=pairs,
        misfits=_misfits(a, b, offset_ns, i) + _misfits(b, a, -offset_ns, j),
        spread_ns=spread,
        low_ns=int(low.max(initial=-FAR_NS)),
        high_ns=int(high.min(initial=FAR_NS)),
    )


def _misfits(own: Track, other: Track, offset_ns: int, paired: Int64) -> int:
    """Rows that the other rank recorded time for but has no partner for."""
    if not len(other):
        return 0
    inside = (own.start_ns >= other.start_ns[0] + offset_ns) & (
        own.end_ns <= int(other.end_ns.max()) + offset_ns
    )
    inside[paired] = False
    return int(np.count_nonzero(inside & ~is_rooted(own)))


def _distinct(fits: list[Fit]) -> list[Fit]:
    """Explanations that pair differently, those that pair most first."""
    kept: list[Fit] = []
    for fit in sorted(fits, key=_badness):
        if len(fit.pairs) and not any(_mostly_equal(fit, other) for other in kept):
            kept.append(fit)
    return kept


def _badness(fit: Fit) -> tuple[int, float, int]:
    return 2 * fit.misfits - len(fit.pairs), fit.spread_ns, abs(fit.offset_ns)


def _mostly_equal(one: Fit, other: Fit) -> bool:
    mine = set((one.pairs.i * (1 << 32) + one.pairs.j).tolist())
    yours = set((other.pairs.i * (1 << 32) + other.pairs.j).tolist())
    return 2 * len(mine & yours) > min(len(mine), len(yours))


def _beats(one: Fit, other: Fit, trust: Trust) -> bool:
    """Whether the rows refute the other explanation: by signature, by ends, or by clocks known to agree."""
    if 2 * other.misfits >= 3 * one.misfits + 6 and len(one.pairs) >= len(other.pairs):
        return True
    fewest = min(len(one.pairs), len(other.pairs))
    clearer = other.spread_ns > (3 if fewest >= 8 else 10) * max(one.spread_ns, NS_PER_US)
    if fewest >= 4 and clearer and one.misfits <= other.misfits + 2:
        return True
    if trust.raw_clocks_ns is None or not one.agrees_with_raw_clocks or other.agrees_with_raw_clocks:
        return False
    return min(abs(other.low_ns), abs(other.high_ns)) >= trust.raw_clocks_ns


def _enough(fit: Fit, trust: Trust) -> bool:
    if trust.raw_clocks_ns is not None and fit.agrees_with_raw_clocks:
        return True
    return len(fit.pairs) >= FEWEST_PAIRS and len(fit.pairs) > fit.misfits
