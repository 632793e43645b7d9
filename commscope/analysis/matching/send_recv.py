"""Sends with their receives: rows of two ranks that name each other, aligned pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from commscope.analysis.alignment.cluster import Known
from commscope.analysis.alignment.offsets import align, at_offset
from commscope.analysis.alignment.tracks import Track, alike, track_of
from commscope.analysis.matching.peers import BOTH, OPPOSITE, RECV, SEND, peers_of
from commscope.analysis.matching.places import Side, by_place, side_of, signatures, step_frames
from commscope.analysis.rows import ABSENT, Members, Rows
from commscope.trace import Int64, Mask

_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Pairs:
    """By row: a number equal for both sides (-1: not paired), and how they were found."""

    number: Int64
    together: Int64  # equal where one count proved all of them, -1 elsewhere
    ends_together: Mask  # paired since they end together, not by the order on their channel
    members_by: Int64  # what told the other side: index in MEMBERS_BY


def pair_up(rows: Rows, sets: Sequence[Members], known: Known, instance: Int64) -> Pairs:
    """Sends with their receives; `instance` is what is matched so far, `sets` the run's groups.

    A channel (source, destination, tag) is first in, first out: within a step, or between two collectives
    that both ranks share, the n-th send is the n-th receive. A send may end before its receive is posted:
    overlap in time is asked only where order tells nothing, and never of records that end with the posting.
    """
    number, together = (np.full(len(rows), ABSENT, dtype=np.int64) for _ in range(2))
    by_ends = np.zeros(len(rows), dtype=np.bool_)
    peers, signature = peers_of(rows, sets), signatures(rows)
    peer = peers.rank
    for source, target, kind in _channels(rows, peer):
        other = OPPOSITE[kind]
        mine = np.flatnonzero((rows.rank == source) & (peer == target) & (rows.kind == kind))
        yours = np.flatnonzero((rows.rank == target) & (peer == source) & (rows.kind == other))
        sides = [side_of(rows, mine), side_of(rows, yours)]
        placed = by_place(rows, sides, step_frames(rows), signature)
        told = placed.together >= 0
        together[told] = placed.together[told] + int(together.max(initial=ABSENT)) + 1
        left = [_side(rows, chosen[placed.number[chosen] < 0]) for chosen in (mine, yours)]
        for (i, j), ended in (
            (_pairs_of(placed.number, sides), False),
            (_in_step(rows, instance, *left), False),
            (_aligned(rows, known, *left), True),
        ):
            free = (number[i] < 0) & (number[j] < 0)
            number[i[free]] = number[j[free]] = int(number.max(initial=-1)) + 1 + np.arange(int(free.sum()))
            by_ends[i[free]] = by_ends[j[free]] = ended
    return Pairs(number, together, by_ends, peers.members_by)


def _pairs_of(found: Int64, sides: Sequence[Side]) -> tuple[Int64, Int64]:
    """Rows of equal number, side by side."""
    i, j = (side.row[found[side.row] >= 0] for side in sides)
    return i[np.argsort(found[i], kind="stable")], j[np.argsort(found[j], kind="stable")]


def _in_step(rows: Rows, instance: Int64, mine: Track, yours: Track) -> tuple[Int64, Int64]:
    both = (mine.row, yours.row)
    return both if _run_in_step(rows, instance, mine, yours) else (_NONE, _NONE)


def _aligned(rows: Rows, known: Known, mine: Track, yours: Track) -> tuple[Int64, Int64]:
    """Pairs that ran at the same time on the device.

    A kernel that sends and receives ends with its partner. A send alone may be over before its receive
    begins: then the pairs count only where no row of either side is left out.
    """
    if not len(mine) or not len(yours) or rows.is_posted[np.concatenate((mine.row, yours.row))].any():
        return _NONE, _NONE
    source, target = int(rows.rank[mine.row[0]]), int(rows.rank[yours.row[0]])
    offset = known.offset(source, target)
    fit = (
        align(mine, yours, known.trust(source, target)) if offset is None else at_offset(mine, yours, offset)
    )
    if fit is None:
        return _NONE, _NONE
    whole = len(fit.pairs) == len(mine) == len(yours)
    if not whole and (rows.kind[mine.row] != BOTH).any():
        return _NONE, _NONE
    return mine.row[fit.pairs.i], yours.row[fit.pairs.j]


def _run_in_step(rows: Rows, instance: Int64, mine: Track, yours: Track) -> bool:
    """Whether both sides have alike rows, equally many between any two collectives the ranks share.

    A channel keeps its order, so that then the n-th send is the n-th receive, even where calls that only hand
    work over do not overlap in time.
    """
    if len(mine) != len(yours) or len(mine) == 0:
        return False
    if (rows.step[np.concatenate((mine.row, yours.row))] != ABSENT).any():
        return False  # steps were asked before, and tell lost rows apart
    own, other = (
        np.flatnonzero((rows.rank == rows.rank[side.row[0]]) & (instance >= 0)) for side in (mine, yours)
    )
    shared = np.intersect1d(instance[own], instance[other])
    if len(shared) == 0:
        return False
    frames = []
    for side, at in ((mine, own), (yours, other)):
        begun = np.sort(rows.start_ns[at[np.isin(instance[at], shared)]])
        frames.append(np.searchsorted(begun, side.start_ns))
    order = np.arange(len(mine))
    return bool(np.array_equal(frames[0], frames[1]) and alike(mine, order, yours, order).all())


def _channels(rows: Rows, peer: Int64) -> list[tuple[int, int, int]]:
    """Every (source, target, kind) with rows on both sides."""
    here = np.flatnonzero(rows.is_p2p & (peer >= 0))
    found = set(zip(rows.rank[here].tolist(), peer[here].tolist(), rows.kind[here].tolist(), strict=True))
    sends = [(a, b, SEND) for a, b, kind in found if kind == SEND and (b, a, RECV) in found]
    grouped = [(a, b, BOTH) for a, b, kind in found if kind == BOTH and a < b and (b, a, BOTH) in found]
    return sorted(sends + grouped)


def _side(rows: Rows, chosen: Int64) -> Track:
    """One side of a channel. Sequence numbers of point-to-point rows do not advance like the collectives'."""
    track = track_of(rows, chosen)
    none = np.full(len(track), ABSENT, dtype=np.int64)
    return replace(track, kind=np.full(len(track), BOTH, dtype=np.int64), tag=none)
