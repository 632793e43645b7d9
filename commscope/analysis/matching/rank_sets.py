"""Which rows without a usable key belong to which rank set: rows -> pools, each with its member ranks.

A trace may name a group but not its members, or (gloo) no group at all. The run's process groups, blocks
and strides give candidate sets. For each signature every way to cover its ranks by disjoint candidates is
tried; it is taken only where its rows align nearly all and those of every other way do not. What is left
follows its lane: the threads or the stream of a communicator carry no other's work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commscope.analysis.alignment.cluster import Known, cluster
from commscope.analysis.alignment.tracks import track_of
from commscope.analysis.matching.lanes import owners_by_lane
from commscope.analysis.matching.state import MEMBERS_BY
from commscope.analysis.rows import ABSENT, LANE_BITS, Members, Rows
from commscope.schema import MembersBy
from commscope.trace import Int64

MOST_COVERS = 32
MOST_LANES = 2  # gloo gives a communicator two threads
ENOUGH, CLEARLY_LESS = 0.8, 0.6


@dataclass(frozen=True, slots=True)
class Pool:
    """Rows of one group on its present members."""

    ranks: Members
    row: Int64
    members_by: Int64  # by row of `row`: index in MEMBERS_BY


def pools_of(rows: Rows, todo: Int64, sets: Sequence[Members], known: Known) -> list[Pool]:
    """Pools of at least two ranks, those with most rows first."""
    present = tuple(np.unique(rows.rank).tolist())
    pools = []
    for label in np.unique(rows.label[todo]):
        here = todo[rows.label[todo] == label]
        code = rows.members[here[0]] if label >= 0 else ABSENT
        if code >= 0:
            pools.append(_pool(_among(rows.member_sets[code], present), here, MembersBy.RECORD))
        else:
            pools.extend(_divided(rows, here, sets, known))
    usable = [pool for pool in pools if len(pool.ranks) > 1 and len(pool.row)]
    return sorted(usable, key=lambda pool: -len(pool.row))


def _pool(ranks: Members, row: Int64, told_by: MembersBy) -> Pool:
    return Pool(ranks, row, np.full(len(row), MEMBERS_BY.index(told_by)))


def _divided(rows: Rows, here: Int64, sets: Sequence[Members], known: Known) -> list[Pool]:
    """Rows whose members nobody names, divided among candidate sets."""
    ranks = tuple(np.unique(rows.rank[here]).tolist())
    candidates = _candidates(ranks, sets, int(rows.size[here].max()))
    if candidates == [ranks]:
        return [_pool(ranks, here, MembersBy.ELIMINATION)]
    owner = np.full(len(rows), ABSENT, dtype=np.int64)  # row -> candidate
    named = Counter(_among(members, ranks) for members in sets)
    most = [MOST_LANES * max(1, named[one]) for one in candidates]
    lanes = owners_by_lane(rows, here, candidates, known, most)
    owner[here] = lanes.candidate
    told_by = np.where(
        lanes.by_counts, MEMBERS_BY.index(MembersBy.COUNTS), MEMBERS_BY.index(MembersBy.CLOCKS)
    )
    spoken = here[lanes.is_told]  # a signature that lanes speak of is not told by less than they are
    whole = [one for one in _signatures(rows, here) if not np.isin(one, spoken).any()]
    for chosen in (one for one in whole if not _of_several(rows, one)):
        for candidate, taken in _best_cover(rows, chosen, candidates, known):
            owner[taken] = candidate
    owner[here] = _by_lane(rows.lane[here], owner[here])
    mine = [owner[here] == n for n in range(len(candidates))]
    return [Pool(members, here[own], told_by[own]) for members, own in zip(candidates, mine, strict=True)]


def _of_several(rows: Rows, chosen: Int64) -> bool:
    """Whether some rank ran these rows on more lanes than one communicator has."""
    lanes = np.unique(rows.lane[chosen])
    return int(np.unique(lanes >> LANE_BITS, return_counts=True)[1].max()) > MOST_LANES


def _candidates(ranks: Members, sets: Sequence[Members], size: int) -> list[Members]:
    """Rank sets the rows may belong to: the run's groups, all ranks, blocks or strides of a known size."""
    found = {_among(members, ranks) for members in sets if size in (ABSENT, len(members))}
    if size == ABSENT or size >= len(ranks):
        found.add(ranks)
    if (
        1 < size < len(ranks)
        and len(ranks) % size == 0
        and not any(len(members) == size for members in found)
    ):
        apart = len(ranks) // size
        found.update(ranks[n * size : (n + 1) * size] for n in range(apart))
        found.update(ranks[n::apart] for n in range(apart))
    return sorted(members for members in found if len(members) > 1)


def _signatures(rows: Rows, here: Int64) -> list[Int64]:
    """The rows of each signature, most rows first."""
    if len(here) == 0:
        return []
    keys = np.stack((rows.kind[here], rows.payload[here], rows.dtype[here]))
    code = np.unique(keys, axis=1, return_inverse=True)[1].reshape(-1)
    return sorted((here[code == n] for n in range(code.max() + 1)), key=lambda chosen: -len(chosen))


def _best_cover(
    rows: Rows, chosen: Int64, candidates: list[Members], known: Known
) -> list[tuple[int, Int64]]:
    """The one way to divide these rows among candidates that aligns them nearly all, where no other comes
    near.
    """
    ranks = np.unique(rows.rank[chosen])
    tried: dict[int, float] = {}
    scored = []
    for sets in covers(set(ranks.tolist()), candidates):
        cover = [candidates.index(one) for one in sets]
        for n in cover:
            if n not in tried:
                tried[n] = _matched_rows(rows, chosen, candidates[n], known)
        scored.append((sum(tried[n] for n in cover) / len(chosen), cover))
    scored.sort(key=lambda entry: -entry[0])
    if not scored or scored[0][0] < ENOUGH:
        return []
    if len(scored) > 1 and scored[1][0] > CLEARLY_LESS * scored[0][0]:
        return []
    return [(n, chosen[np.isin(rows.rank[chosen], candidates[n])]) for n in scored[0][1]]


def _matched_rows(rows: Rows, chosen: Int64, members: Members, known: Known) -> float:
    """How many of the members' rows stand in an instance that all members have."""
    tracks = {rank: track_of(rows, chosen[rows.rank[chosen] == rank]) for rank in members}
    found = cluster(tracks, known)
    sizes = np.bincount(found.number)
    return float(np.sum(sizes[sizes == len(members)]))


def covers(ranks: set[int], candidates: Sequence[Members]) -> list[tuple[Members, ...]]:
    """Ways to cover the ranks by disjoint candidates."""
    found: list[tuple[Members, ...]] = []

    def extend(left: frozenset[int], used: tuple[Members, ...]) -> None:
        if len(found) >= MOST_COVERS:
            return
        if not left:
            found.append(used)
            return
        first = min(left)
        for members in candidates:
            if first in members and left.issuperset(members):
                extend(left.difference(members), (*used, members))

    extend(frozenset(ranks), ())
    return found


def _by_lane(lane: Int64, owner: Int64) -> Int64:
    """Rows without an owner take that of their lane, where all owned rows of the lane agree."""
    filled = owner.copy()
    for one in np.unique(lane):
        here = lane == one
        owners = np.unique(owner[here & (owner >= 0)])
        if len(owners) == 1:
            filled[here & (owner < 0)] = owners[0]
    return filled


def _among(members: Members, ranks: Members) -> Members:
    return tuple(sorted(set(members) & set(ranks)))
