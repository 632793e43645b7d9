"""Sends with their receives: rows of two ranks that name each other, aligned pair by pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from commscope.analysis.alignment.cluster import Known
from commscope.analysis.alignment.offsets import align, at_offset
from commscope.analysis.alignment.tracks import Track, alike, track_of
from commscope.analysis.rows import ABSENT, KINDS, Rows
from commscope.schema import Collective
from commscope.trace import Int64

SEND, RECV = KINDS.index(Collective.SEND), KINDS.index(Collective.RECV)
BOTH = KINDS.index(Collective.SEND_RECV)


def pair_up(rows: Rows, known: Known, instance: Int64) -> Int64:
    """A number for each row that was paired, equal for both sides, -1 elsewhere; `instance` is what is
    matched so far.
    """
    number = np.full(len(rows), ABSENT, dtype=np.int64)
    peer = _peers(rows)
    fresh = 0
    for source, target, kind in _channels(rows, peer):
        other = {SEND: RECV, BOTH: BOTH}[kind]
        mine = _side(rows, np.flatnonzero((rows.rank == source) & (peer == target) & (rows.kind == kind)))
        yours = _side(rows, np.flatnonzero((rows.rank == target) & (peer == source) & (rows.kind == other)))
        offset = known.offset(source, target)
        fit = (
            align(mine, yours, known.trust(source, target))
            if offset is None
            else at_offset(mine, yours, offset)
        )
        none = np.empty(0, dtype=np.int64)
        i, j = (none, none) if fit is None else (fit.pairs.i, fit.pairs.j)
        if len(i) < len(mine) and np.array_equal(i, j) and _run_in_step(rows, instance, mine, yours):
            i = j = np.arange(len(mine))
        number[mine.row[i]] = number[yours.row[j]] = fresh + np.arange(len(i))
        fresh += len(i)
    return number


def _run_in_step(rows: Rows, instance: Int64, mine: Track, yours: Track) -> bool:
    """Whether both sides have alike rows, equally many between any two collectives the ranks share.

    A channel keeps its order, so that then the n-th send is the n-th receive, even where calls that only hand
    work over do not overlap in time.
    """
    if len(mine) != len(yours) or len(mine) == 0:
        return False
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


def _peers(rows: Rows) -> Int64:
    """The other side: as recorded, or the other member where the group (or the run) has two ranks."""
    peer = rows.peer.copy()
    present = np.unique(rows.rank)
    for row in np.flatnonzero(rows.is_p2p & (peer < 0)).tolist():
        code = rows.members[row]
        members = rows.member_sets[code] if code >= 0 else tuple(present.tolist())
        others = [rank for rank in members if rank != rows.rank[row]]
        if len(others) == 1 and rows.size[row] in (ABSENT, 2):
            peer[row] = others[0]
    return peer


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
