"""One rank's collectives of one group as columns, and which pairs of two such tracks could be one
collective.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from commscope.analysis.rows import ABSENT, KINDS, ROOTED_IN, ROOTED_OUT, UNKNOWN_CODE, Rows
from commscope.trace import Int64, Mask

IS_ROOTED = np.array([kind in (*ROOTED_IN, *ROOTED_OUT) for kind in KINDS])  # by kind code
FEWEST_FOR_SPREAD = 8
MOST_SPREADS = 15  # gloo's ends have heavy tails
LARGEST_KNOT = 300
RIVAL_SPREADS = 6  # ends that scatter evenly differ by up to 3.4 times their usual distance
NEVER = 1 << 62
MOST_CANDIDATES = 64  # of one row; a longer queue of equal overlapping collectives proves nothing


@dataclass(frozen=True, slots=True)
class Track:
    """Rows of one rank in order of start. `tag` is what a row carries as proof (its sequence number), else
    -1.
    """

    row: Int64
    start_ns: Int64
    end_ns: Int64
    kind: Int64
    payload: Int64
    dtype: Int64
    tag: Int64

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Edges:
    """Pairs (i of a, j of b) that may be one collective.

    `gap_ns` is a's end less b's shifted end, `shared_ns` the time both run, `shorter_ns` that of the shorter.
    """

    i: Int64
    j: Int64
    gap_ns: Int64
    shared_ns: Int64
    shorter_ns: Int64

    def __len__(self) -> int:
        return len(self.i)

    def keep(self, mask: Mask | Int64) -> Edges:
        """The edges chosen by a mask or by their numbers."""
        return Edges(
            self.i[mask], self.j[mask], self.gap_ns[mask], self.shared_ns[mask], self.shorter_ns[mask]
        )


def track_of(rows: Rows, chosen: Int64) -> Track:
    """The chosen rows of one rank, sorted by start."""
    order = chosen[np.lexsort((rows.end_ns[chosen], rows.start_ns[chosen]))]
    return Track(
        row=order,
        start_ns=rows.start_ns[order],
        end_ns=rows.end_ns[order],
        kind=rows.kind[order],
        payload=rows.payload[order],
        dtype=rows.dtype[order],
        tag=rows.seq[order],
    )


def part(track: Track, chosen: Mask | Int64 | slice) -> Track:
    """Some rows of a track."""
    return Track(
        track.row[chosen],
        track.start_ns[chosen],
        track.end_ns[chosen],
        track.kind[chosen],
        track.payload[chosen],
        track.dtype[chosen],
        track.tag[chosen],
    )


def alike(a: Track, i: Int64, b: Track, j: Int64) -> Mask:
    """Whether rows i of a and j of b have the same signature, as far as both record it."""
    same: Mask = (a.kind[i] == b.kind[j]) | (a.kind[i] == UNKNOWN_CODE) | (b.kind[j] == UNKNOWN_CODE)
    for left, right in ((a.payload, b.payload), (a.dtype, b.dtype), (a.tag, b.tag)):
        x, y = left[i], right[j]
        same &= (x == y) | (x == ABSENT) | (y == ABSENT)
    return same


def alike_pairs(a: Track, b: Track) -> npt.NDArray[np.bool_]:
    """`alike` of every row of a (first axis) and every row of b."""
    kind, other = a.kind[:, None], b.kind[None, :]
    same: Mask = (kind == other) | (kind == UNKNOWN_CODE) | (other == UNKNOWN_CODE)
    for left, right in ((a.payload, b.payload), (a.dtype, b.dtype), (a.tag, b.tag)):
        x, y = left[:, None], right[None, :]
        same &= (x == y) | (x == ABSENT) | (y == ABSENT)
    return same


def overlapping(a: Track, b: Track, offset_ns: int) -> Edges:
    """All alike pairs that overlap in time when `offset_ns` is added to b's stamps."""
    reach = np.maximum.accumulate(b.end_ns) + offset_ns if len(b) else b.end_ns
    low = np.searchsorted(reach, a.start_ns, side="left")
    high = np.searchsorted(b.start_ns + offset_ns, a.end_ns, side="right")
    counts = np.clip(high - low, 0, MOST_CANDIDATES)
    i = np.repeat(np.arange(len(a)), counts)
    j = np.repeat(low, counts) + np.arange(len(i)) - np.repeat(np.cumsum(counts) - counts, counts)
    real = (b.end_ns[j] + offset_ns >= a.start_ns[i]) & alike(a, i, b, j)
    i, j = i[real], j[real]
    starts, ends = b.start_ns[j] + offset_ns, b.end_ns[j] + offset_ns
    shared = np.minimum(a.end_ns[i], ends) - np.maximum(a.start_ns[i], starts)
    shorter = np.minimum(a.end_ns[i] - a.start_ns[i], ends - starts)
    return Edges(i, j, a.end_ns[i] - ends, shared, shorter)


def middle(values: npt.NDArray[Any]) -> int:
    """The median in whole ns; numpy's own costs more than a sort on the short arrays met here."""
    ordered = np.sort(values)
    return int((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) // 2)


def is_rooted(track: Track) -> Mask:
    """Rows whose ends need not agree over ranks."""
    rooted: Mask = IS_ROOTED[track.kind]
    return rooted


def assign(edges: Edges) -> Edges:
    """The most edges in one common order, nearest ends first; what could as well be otherwise is left out."""
    if len(edges) == 0 or _beyond_doubt(edges):
        return edges
    degree_i = np.bincount(edges.i)[edges.i]
    degree_j = np.bincount(edges.j)[edges.j]
    simple = (degree_i == 1) & (degree_j == 1)
    distance = np.abs(edges.gap_ns)
    spread = middle(distance[simple]) if simple.any() else 0
    weak = 4 * edges.shared_ns < edges.shorter_ns
    firm = np.flatnonzero(simple & ~(weak & (distance > 3 * spread)))
    tangled = np.flatnonzero(~simple)
    knots = [_resolve(edges, knot, spread) for knot in _knots(edges, tangled)]
    proved = np.sort(np.concatenate([firm, *knots]))
    if len(firm) >= FEWEST_FOR_SPREAD:
        usual = max(MOST_SPREADS * spread, int(distance[firm].max()))
        plausible = simple & ((distance <= usual) | (edges.shared_ns >= 4 * spread))
        doubtful = np.setdiff1d(np.flatnonzero(plausible), firm)
        proved = np.sort(np.concatenate([proved, doubtful[_is_framed(edges, doubtful, proved)]]))
    return _completed(edges, in_common_order(edges.keep(proved)))


def _beyond_doubt(edges: Edges) -> bool:
    """Whether every row has one partner, all in one order, each pair side by side for long."""
    if (edges.i[1:] <= edges.i[:-1]).any() or (edges.j[1:] <= edges.j[:-1]).any():
        return False
    return not (4 * edges.shared_ns < edges.shorter_ns).any()


def _completed(edges: Edges, proved: Edges) -> Edges:
    """With the other edges of the diagonal that holds all proved ones: between them no rank lacks a row.

    Where a rank lacks rows, the proved edges lie on several diagonals, and nothing is added.
    """
    lag = proved.j - proved.i
    if len(proved) < FEWEST_FOR_SPREAD or (lag != lag[0]).any():
        return proved
    return edges.keep(edges.j - edges.i == lag[0])


def _is_framed(edges: Edges, doubtful: Int64, proved: Int64) -> Mask:
    """Edges whose rows are the only ones between two proved pairs, on both sides."""
    pairs = set(zip(edges.i[proved].tolist(), edges.j[proved].tolist(), strict=True))
    framed = [
        (i - 1, j - 1) in pairs and (i + 1, j + 1) in pairs
        for i, j in zip(edges.i[doubtful].tolist(), edges.j[doubtful].tolist(), strict=True)
    ]
    return np.array(framed, dtype=np.bool_)


def _knots(edges: Edges, tangled: Int64) -> list[Int64]:
    """Tangled edges split into sets that share no row: ordered by i, a set ends where j passes all before."""
    if len(tangled) == 0:
        return []
    order = tangled[np.lexsort((edges.j[tangled], edges.i[tangled]))]
    i, j = edges.i[order], edges.j[order]
    reach = np.maximum.accumulate(j)
    fresh = np.flatnonzero((i[1:] != i[:-1]) & (j[1:] > reach[:-1])) + 1
    return list(np.split(order, fresh))


def _resolve(edges: Edges, knot: Int64, spread_ns: int) -> Int64:
    """Of one knot: the most pairs in common order with the nearest ends, less those a free row would fit as
    well.
    """
    if len(knot) > LARGEST_KNOT:
        return knot[:0]
    i, j = edges.i[knot].tolist(), edges.j[knot].tolist()
    cost = np.abs(edges.gap_ns[knot]).tolist()
    chain = _longest_chain(i, j, cost)
    used_i, used_j = {i[k] for k in chain}, {j[k] for k in chain}
    rival_i: dict[int, int] = {}
    rival_j: dict[int, int] = {}
    for n in range(len(knot)):
        if j[n] not in used_j:
            rival_i[i[n]] = min(cost[n], rival_i.get(i[n], cost[n]))
        if i[n] not in used_i:
            rival_j[j[n]] = min(cost[n], rival_j.get(j[n], cost[n]))
    sure = [
        k
        for k in chain
        if min(rival_i.get(i[k], NEVER), rival_j.get(j[k], NEVER)) > 2 * cost[k] + RIVAL_SPREADS * spread_ns
    ]
    return knot[np.array(sorted(sure), dtype=np.int64)]


def _longest_chain(i: list[int], j: list[int], cost: list[int]) -> list[int]:
    """Edges of the longest increasing chain in (i, j), cheapest among equals, by dynamic programming."""
    best: list[tuple[int, int]] = []
    before: list[int] = []
    for k in range(len(i)):
        score, previous = (1, -cost[k]), -1
        for p in range(k):
            longer = (best[p][0] + 1, best[p][1] - cost[k])
            if i[p] < i[k] and j[p] < j[k] and longer > score:
                score, previous = longer, p
        best.append(score)
        before.append(previous)
    k = max(range(len(i)), key=lambda n: best[n])
    chain = []
    while k >= 0:
        chain.append(k)
        k = before[k]
    return chain


def in_common_order(edges: Edges) -> Edges:
    """Edges that cross no other: a group issues its collectives in one order on all members."""
    if len(edges) < 2:
        return edges
    order = np.argsort(edges.i, kind="stable")
    j = edges.j[order]
    above = np.maximum.accumulate(j)
    below = np.minimum.accumulate(j[::-1])[::-1]
    crosses = np.zeros(len(j), dtype=np.bool_)
    crosses[1:] |= j[1:] <= above[:-1]
    crosses[:-1] |= j[:-1] >= below[1:]
    return edges.keep(order[~crosses])
