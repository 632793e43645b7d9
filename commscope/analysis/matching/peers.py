"""The other side of a send or a receive: takes rows and the run's groups, gives ranks and what told them.

As recorded; or its rank inside the one group it can be; or the one rank it can be; or the only rank with
alike messages of the other direction, where it has as many of them in each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commscope.analysis.matching.places import signatures
from commscope.analysis.matching.state import MEMBERS_BY
from commscope.analysis.rows import ABSENT, KINDS, Members, Rows
from commscope.schema import Collective, MembersBy
from commscope.trace import Int64

SEND, RECV = KINDS.index(Collective.SEND), KINDS.index(Collective.RECV)
BOTH = KINDS.index(Collective.SEND_RECV)
OPPOSITE = {SEND: RECV, RECV: SEND, BOTH: BOTH}
Bundle = tuple[int, int, int]  # rank, kind, signature


@dataclass(frozen=True, slots=True)
class Peers:
    """By row: the rank of the other side (-1: not known), and what told it (index in MEMBERS_BY)."""

    rank: Int64
    members_by: Int64


def peers_of(rows: Rows, sets: Sequence[Members]) -> Peers:
    """The other side of each send and receive; `sets` are the run's groups."""
    peer, told_by = rows.peer.copy(), np.zeros(len(rows), dtype=np.int64)
    present = tuple(np.unique(rows.rank).tolist())
    several: dict[int, set[int]] = {}
    for row in np.flatnonzero(rows.is_p2p & (peer < 0)).tolist():
        found = _possible(rows, row, sets, present)
        if len(found) == 1:
            peer[row], told_by[row] = found.pop(), MEMBERS_BY.index(MembersBy.ELIMINATION)
        else:
            several[row] = found or set(present) - {int(rows.rank[row])}
    counted = _by_counts(rows, peer, several)
    told_by[(peer < 0) & (counted >= 0)] = MEMBERS_BY.index(MembersBy.COUNTS)
    return Peers(counted, told_by)


def _possible(rows: Rows, row: int, sets: Sequence[Members], present: Members) -> set[int]:
    """The ranks a row's other side can be."""
    rank, code, place = int(rows.rank[row]), rows.members[row], int(rows.place[row])
    groups = [rows.member_sets[code]] if code >= 0 else [one for one in sets if rank in one]
    groups = [one for one in groups if rows.size[row] in (ABSENT, len(one))]
    if place >= 0 and groups:
        return {one[place] for one in groups if place < len(one)} - {rank}
    members = rows.member_sets[code] if code >= 0 else present
    return set(members) - {rank} if rows.size[row] in (ABSENT, 2) else set()


def _by_counts(rows: Rows, peer: Int64, several: dict[int, set[int]]) -> Int64:
    """Peers with those told by who has alike messages of the other direction at all.

    Nobody else can have taken what a rank sent where one rank alone has such receives, and nobody else sent
    what that one took; equal counts in each step tell that none was lost.
    """
    counted = peer.copy()
    if not several or (rows.payload[rows.is_p2p] == ABSENT).any():
        return counted
    signature = signatures(rows)
    bundles: dict[Bundle, list[int]] = {}
    for row in several:
        bundles.setdefault((int(rows.rank[row]), int(rows.kind[row]), int(signature[row])), []).append(row)
    open_ones = _Open(rows, peer, several, bundles)
    for (rank, kind, code), mine in bundles.items():
        others = open_ones.with_alike((rank, kind, code))
        if len(others) != 1 or open_ones.with_alike((others[0], OPPOSITE[kind], code)) not in ([], [rank]):
            continue
        yours = bundles.get((others[0], OPPOSITE[kind], code), [])
        named = _naming(rows, peer, signature == code, (others[0], OPPOSITE[kind], rank))
        if _by_step(rows, mine) == _by_step(rows, [*yours, *named]):
            counted[mine] = others[0]
    return counted


@dataclass(frozen=True, slots=True)
class _Open:
    """Messages whose other side is open, and who it can be."""

    rows: Rows
    peer: Int64
    several: dict[int, set[int]]
    bundles: dict[Bundle, list[int]]

    def with_alike(self, bundle: Bundle) -> list[int]:
        """The ranks with open messages of the other direction, or with such that name this rank."""
        rank, kind, code = bundle
        possible: set[int] = set().union(*(self.several[row] for row in self.bundles.get(bundle, ())))
        naming = (self.rows.kind == OPPOSITE[kind]) & (self.peer == rank)
        return [
            other
            for other in sorted(possible)
            if (other, OPPOSITE[kind], code) in self.bundles or (naming & (self.rows.rank == other)).any()
        ]


def _naming(rows: Rows, peer: Int64, alike: np.ndarray, who: tuple[int, int, int]) -> list[int]:
    """Rows of a rank, of one kind, alike, whose other side is known to be some rank."""
    rank, kind, other = who
    found: list[int] = np.flatnonzero(
        alike & (rows.rank == rank) & (rows.kind == kind) & (peer == other)
    ).tolist()
    return found


def _by_step(rows: Rows, chosen: list[int]) -> list[int]:
    """The steps of some rows, sorted: equal for equal counts in every step."""
    steps: list[int] = np.sort(rows.step[chosen]).tolist()
    return steps
