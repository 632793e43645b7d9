"""Rows that nothing proves: takes what was found, gives the ways in which they can be one collective.

Where all ways agree on a wait, or nearly, that much can be told. A way divides the ranks of one signature in
one step among the run's groups. It is out where a communicator of that group has its threads already, where
counts differ, or where ends refute it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commscope.analysis.alignment.cluster import Known
from commscope.analysis.alignment.offsets import SAME_HOST
from commscope.analysis.alignment.tracks import IS_ROOTED
from commscope.analysis.matching.places import in_full_steps, side_of, signatures
from commscope.analysis.matching.rank_sets import MOST_LANES, covers
from commscope.analysis.matching.recorded_keys import numbered
from commscope.analysis.matching.state import State
from commscope.analysis.rows import ABSENT, UNKNOWN_CODE, Members, Rows
from commscope.trace import Int64, Mask


def open_rows(rows: Rows, state: State) -> Mask:
    """Rows in a step, of even kinds, that name no group and that nothing proved."""
    even = ~rows.is_p2p & ~IS_ROOTED[rows.kind] & (rows.kind != UNKNOWN_CODE)
    is_open: Mask = even & rows.is_timed & (rows.label < 0) & (rows.step >= 0) & ~state.proved
    return is_open


def ways_to_match(rows: Rows, state: State, sets: Sequence[Members], known: Known) -> tuple[Int64, ...]:
    """Numbers by row, equal for one collective, -1 elsewhere: one array a way. All speak of the same rows.

    `sets` names each communicator of the run once; without them there are no ways.
    """
    signature = signatures(rows)
    chosen = np.flatnonzero(open_rows(rows, state) & in_full_steps(rows, signature))
    if not len(chosen) or not sets:
        return ()
    present = tuple(np.unique(rows.rank).tolist())
    counted = Counter(sets)
    counted.setdefault(present, 1)
    threads = _Threads(rows, counted, _lanes_in_use(rows, state))
    found: list[list[Int64]] = []
    cell = numbered(rows.step[chosen], signature[chosen])
    for code in np.unique(cell):
        ways = _ways_of(threads, chosen[cell == code], known)
        if ways:
            found.append(ways)
    return tuple(
        _together([ways[min(n, len(ways) - 1)] for ways in found])
        for n in range(max(map(len, found), default=0))
    )


def _together(parts: list[Int64]) -> Int64:
    """One array of several that speak of different rows."""
    whole = parts[0].copy()
    for part in parts[1:]:
        told = part >= 0
        whole[told] = part[told] + int(whole.max(initial=ABSENT)) + 1
    return whole


@dataclass(frozen=True, slots=True)
class _Threads:
    """The run's communicators, and on which threads of each rank the proved ones work."""

    rows: Rows
    sets: Counter[Members]  # rank set -> communicators
    in_use: dict[tuple[int, Members], set[int]]

    def may_hold(self, members: Members, here: Int64) -> bool:
        """Whether some communicator of these members has room for the threads of these rows."""
        for rank in members:
            used = self.in_use.get((rank, members), set())
            new = set(self.rows.lane[here[self.rows.rank[here] == rank]].tolist()) - used
            if new and len(used) + len(new) > MOST_LANES * self.sets[members]:
                return False
        return True


def _lanes_in_use(rows: Rows, state: State) -> dict[tuple[int, Members], set[int]]:
    """Lanes of each rank by the members of the instances proved on them."""
    found: dict[tuple[int, Members], set[int]] = {}
    told = np.flatnonzero(state.proved & ~rows.is_p2p & (rows.label < 0))
    order = told[np.argsort(state.number[told], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(state.number[order])) + 1):
        members = tuple(sorted(rows.rank[part].tolist()))
        for row in part.tolist():
            found.setdefault((int(rows.rank[row]), members), set()).add(int(rows.lane[row]))
    return found


def _ways_of(threads: _Threads, here: Int64, known: Known) -> list[Int64]:
    """The ways of one signature in one step; none where a group may have members that were not recorded, or
    a rank worked for several groups.
    """
    rows = threads.rows
    ranks = np.unique(rows.rank[here])
    sides = {rank: side_of(rows, here[rows.rank[here] == rank]).row for rank in ranks.tolist()}
    if any(len(np.unique(rows.lane[side])) > MOST_LANES for side in sides.values()):
        return []
    recorded = set(np.unique(rows.rank).tolist())
    candidates = [one for one in sorted(threads.sets) if len(one) > 1 and threads.may_hold(one, here)]
    if any(set(one) & set(sides) and not set(one) <= recorded for one in candidates):
        return []
    ways = []
    for cover in covers(set(sides), [one for one in candidates if set(one) <= set(sides)]):
        number = _numbered_by(rows, sides, cover)
        if number is None:
            continue
        allowed = _is_allowed(rows, number, known)
        if allowed is None:
            return []
        if allowed:
            ways.append(number)
    return ways


def _numbered_by(rows: Rows, sides: dict[int, Int64], cover: Sequence[Members]) -> Int64 | None:
    """The k-th of each member put together, None where counts differ."""
    number = np.full(len(rows), ABSENT, dtype=np.int64)
    fresh = 0
    for members in cover:
        if len({len(sides[rank]) for rank in members}) > 1:
            return None
        for rank in members:
            number[sides[rank]] = fresh + np.arange(len(sides[rank]))
        fresh += len(sides[members[0]])
    return number


def _is_allowed(rows: Rows, number: Int64, known: Known) -> bool | None:
    """Whether every latest start lies before the earliest end; None where no common clock tells."""
    for one in range(int(number.max()) + 1):
        at = np.flatnonzero(number == one)
        home, moves = int(rows.rank[at[0]]), []
        for rank in rows.rank[at].tolist():
            move = known.offset(home, rank)
            if move is None and known.trust(home, rank) != SAME_HOST:
                return None
            moves.append(move or 0)
        moved = np.array(moves, dtype=np.int64)
        if (rows.start_ns[at] + moved).max() > (rows.end_ns[at] + moved).min():
            return False
    return True
