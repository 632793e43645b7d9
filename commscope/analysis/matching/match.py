"""Instance table of all ranks -> which rows are one instance, by proof.

In this order, each for what the ones before left open: Comms Id; (group, sequence number); the place in a
step, where all members have equally many; alignment of the ranks' signature sequences; the place between two
neighbours that are matched; sends and receives by the order on their channel. Bare order over a whole capture
is never used. An instance counts as matched when every present member has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from commscope.analysis.alignment.cluster import Known, cluster
from commscope.analysis.alignment.tracks import IS_ROOTED, track_of
from commscope.analysis.clocks import solve_clock
from commscope.analysis.matching.doubt import could_be_another
from commscope.analysis.matching.places import (
    by_place,
    frames_between,
    in_full_steps,
    side_of,
    signatures,
    step_frames,
)
from commscope.analysis.matching.rank_sets import Pool, pools_of
from commscope.analysis.matching.recorded_keys import (
    apart,
    by_comms_id,
    by_group_and_seq,
    contradicts,
    numbered,
    shares_its_label,
)
from commscope.analysis.matching.send_recv import RECV, pair_up
from commscope.analysis.rows import ABSENT, Members, Rows
from commscope.trace import Int64, Mask

COMMS_ID, GROUP_SEQ, SIGNATURE = "comms_id", "group_seq", "signature"
STEP_ORDER, NEIGHBOURS, CHANNEL_ORDER = "step_order", "neighbours", "channel_order"


@dataclass(frozen=True, slots=True)
class Matched:
    """By row: the instance (-1: unmatched) and a number that counts distinct collectives; which numbers
    contradict.
    """

    instance: Int64
    number: Int64
    refused: Mask  # by row: a pairing was found and thrown away
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _State:
    """What the stages have found so far. Arrays by row."""

    number: Int64
    proved: Mask
    refused: Mask
    methods: tuple[str, ...] = ()

    @property
    def instance(self) -> Int64:
        return np.where(self.proved, self.number, ABSENT)


def match(rows: Rows, sets: Sequence[Members], hosts: Mapping[int, str | None]) -> Matched:
    """Match rows of all ranks; `sets` are the process groups' members as far as the run names them."""
    count = len(rows)
    state = _State(
        np.full(count, ABSENT, dtype=np.int64), np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    )
    state = _by_key(rows, state, by_comms_id(rows), COMMS_ID)
    state = _by_key(rows, state, np.where(state.proved, ABSENT, by_group_and_seq(rows)), GROUP_SEQ)
    state = _by_signature(rows, state, sets, hosts)
    state = _by_pairs(rows, state, sets, hosts)
    return Matched(
        instance=renumbered(rows, state.instance),
        number=_with_the_rest(rows, state.number),
        refused=state.refused & ~state.proved,
        methods=state.methods,
    )


def _by_key(rows: Rows, state: _State, key: Int64, method: str) -> _State:
    """Take the keys whose rows agree and are complete."""
    number = apart(rows, key)
    if not (number >= 0).any():
        return state
    wrong = contradicts(rows, number)
    return _taken(state, rows, number, (method, wrong))


def _taken(state: _State, rows: Rows, number: Int64, proof: tuple[str, Mask]) -> _State:
    """The state with the instances of `number` (-1: not spoken of) that are complete and agree."""
    method, wrong = proof
    told = np.flatnonzero(number >= 0)
    complete = _complete(rows, number, len(wrong))
    good = np.zeros(len(number), dtype=np.bool_)
    bad = good.copy()
    good[told] = complete[number[told]] & ~wrong[number[told]]
    bad[told] = wrong[number[told]]
    return _merged(state, number, good, bad, method)


def _found(state: _State, number: Int64, proof: tuple[str, Mask]) -> _State:
    """The state with the instances of `number` (-1: not spoken of), which all members have, that agree."""
    method, wrong = proof
    told = number >= 0
    bad = told & np.append(wrong, False)[number]  # -1 is the last: nothing
    return _merged(state, number, told & ~bad, bad, method)


def _merged(state: _State, number: Int64, good: Mask, bad: Mask, method: str) -> _State:
    fresh = (number >= 0) & ~state.proved
    merged = np.where(fresh, number + int(state.number.max(initial=-1)) + 1, state.number)
    methods = _with(state.methods, method, used=bool(good.any()))
    return _State(merged, state.proved | good, state.refused | bad, methods)


def _complete(rows: Rows, number: Int64, count: int) -> Mask:
    """By number: whether every present member is there, and there is more than one (unless the group is one
    rank).
    """
    told = np.flatnonzero(number >= 0)
    found = np.bincount(number[told], minlength=count)
    wanted = np.zeros(count, dtype=np.int64)
    np.maximum.at(wanted, number[told], _members_present(rows)[told])
    size = np.zeros(count, dtype=np.int64)
    np.maximum.at(size, number[told], rows.size[told])
    complete: Mask = (found == wanted) & ((found > 1) | (size == 1))
    return complete


def _members_present(rows: Rows) -> Int64:
    """By row: how many of the recorded ranks take part in its group, as far as that is known."""
    present = np.unique(rows.rank)
    expected = np.full(len(rows), len(present), dtype=np.int64)
    for label in np.unique(rows.label[rows.label >= 0]):
        here = rows.label == label
        expected[here] = len(np.unique(rows.rank[here]))
    expected = np.where(rows.size > 0, np.minimum(expected, rows.size), expected)
    known = np.array([len(np.intersect1d(ranks, present)) for ranks in rows.member_sets] or [0])
    return np.where(rows.members >= 0, known[rows.members], expected)


def _by_signature(
    rows: Rows, state: _State, sets: Sequence[Members], hosts: Mapping[int, str | None]
) -> _State:
    """Place and align what carries no usable key, the largest group first, each helped by the clocks the
    ones before it solved.
    """
    keyed = (rows.comms >= 0) | ((rows.label >= 0) & (rows.seq >= 0) & ~shares_its_label(rows))
    todo = ~rows.is_p2p & ~keyed & rows.is_timed
    if not todo.any():
        return state
    known = _known(rows, state, hosts)
    signature = signatures(rows)
    pools = pools_of(rows, np.flatnonzero(todo), sets, known)
    for pool in pools:
        state = _placed(rows, state, pool, signature)
    for pool in pools:
        state = _aligned(rows, state, pool, hosts)
    for pool in pools:
        state = _between(rows, state, pool, signature)
    return state


def _placed(rows: Rows, state: _State, pool: Pool, signature: Int64) -> _State:
    """The k-th of a step is the k-th on every member, where all have equally many."""
    sides = [side_of(rows, pool.row[rows.rank[pool.row] == rank]) for rank in pool.ranks]
    number = by_place(rows, sides, step_frames(rows), signature)
    return _found(state, number, (STEP_ORDER, contradicts(rows, number)))


def _between(rows: Rows, state: _State, pool: Pool, signature: Int64) -> _State:
    """On one communicator the predecessor and the successor of an instance are the same on all members."""
    if state.proved[pool.row].all():
        return state
    sides = [side_of(rows, pool.row[rows.rank[pool.row] == rank]) for rank in pool.ranks]
    number = by_place(rows, sides, frames_between(rows, sides, state.instance, signature), signature)
    number = np.where(in_full_steps(rows, signature), number, ABSENT)
    wrong = contradicts(rows, number)
    return _found(state, number, (NEIGHBOURS, wrong | _in_several_steps(rows, number, len(wrong))))


def _aligned(rows: Rows, state: _State, pool: Pool, hosts: Mapping[int, str | None]) -> _State:
    """What ends together, of the rows still open; from a root, or into one, nothing need even overlap."""
    open_rows = pool.row[~state.proved[pool.row] & ~IS_ROOTED[rows.kind[pool.row]]]
    if not all((rows.rank[open_rows] == rank).any() for rank in pool.ranks):
        return state
    tracks = {rank: track_of(rows, open_rows[rows.rank[open_rows] == rank]) for rank in pool.ranks}
    found = cluster(tracks, _known(rows, state, hosts))
    number = np.full(len(rows), ABSENT, dtype=np.int64)
    number[found.row] = found.number
    complete = np.bincount(found.number) == len(pool.ranks)
    merged = state.number.copy()
    merged[found.row] = found.number + int(state.number.max(initial=-1)) + 1
    good = complete & ~contradicts(rows, number) & ~_in_several_steps(rows, number, len(complete))
    methods = _with(state.methods, SIGNATURE, used=bool(good.any()))
    proved = state.proved.copy()
    proved[found.row] = good[found.number]
    aligned = _State(merged, proved, state.refused, methods)
    if complete.all():
        return aligned
    # on the clock that they themselves give, what stayed alone may turn out to fit as well
    sure = good & ~could_be_another(rows, number, complete, _known(rows, aligned, hosts))
    proved = state.proved.copy()
    proved[found.row] = sure[found.number]
    return replace(aligned, proved=proved)


def _in_several_steps(rows: Rows, number: Int64, count: int) -> Mask:
    """By number: whether its rows lie in steps of different names."""
    told = np.flatnonzero((number >= 0) & (rows.step >= 0))
    low, high = np.full(count, len(rows), dtype=np.int64), np.full(count, ABSENT, dtype=np.int64)
    np.minimum.at(low, number[told], rows.step[told])
    np.maximum.at(high, number[told], rows.step[told])
    several: Mask = low < high
    return several


def _with(methods: tuple[str, ...], method: str, *, used: bool) -> tuple[str, ...]:
    return (*methods, method) if used and method not in methods else methods


def _by_pairs(rows: Rows, state: _State, sets: Sequence[Members], hosts: Mapping[int, str | None]) -> _State:
    """Sends with their receives."""
    if not rows.is_p2p.any():
        return state
    number = pair_up(rows, sets, _known(rows, state, hosts), state.instance)
    number = np.where(np.isin(number, number[~rows.is_timed]), ABSENT, number)
    paired = number >= 0
    merged = np.where(paired, number + int(state.number.max(initial=-1)) + 1, state.number)
    methods = _with(state.methods, CHANNEL_ORDER, used=bool(paired.any()))
    return _State(merged, state.proved | paired, state.refused, methods)


def _known(rows: Rows, state: _State, hosts: Mapping[int, str | None]) -> Known:
    instance = numbered(np.where(state.proved, 0, ABSENT), state.number)
    solved = solve_clock(rows, instance, hosts)
    offsets = {} if solved.clock is None else solved.clock.offsets_ns
    component = {} if solved.clock is None else solved.component
    residual_ns = 0 if solved.clock is None else solved.clock.residual_ns
    return Known(hosts, offsets, component, residual_ns)


def renumbered(rows: Rows, instance: Int64) -> Int64:
    """Instances numbered from 0 by their first start."""
    told = np.flatnonzero(instance >= 0)
    if len(told) == 0:
        return instance
    order = told[np.argsort(rows.start_ns[told], kind="stable")]
    values, first = np.unique(instance[order], return_index=True)
    place = np.empty(len(values), dtype=np.int64)
    place[np.argsort(first, kind="stable")] = np.arange(len(values))
    numbers = np.full(len(instance), ABSENT, dtype=np.int64)
    numbers[told] = place[np.searchsorted(values, instance[told])]
    return numbers


def _with_the_rest(rows: Rows, number: Int64) -> Int64:
    """Rows no stage could say anything about: the n-th of a signature in a step on each rank counts as one
    collective; of sends and receives, the n-th of one direction.
    """
    rest = np.flatnonzero(number < 0)
    if len(rest) == 0:
        return number
    receives = rows.kind == RECV
    source, target = np.where(receives, rows.peer, rows.rank), np.where(receives, rows.rank, rows.peer)
    ends = [np.where(rows.is_p2p, end, ABSENT) for end in (source, target)]
    kind = np.where(rows.is_p2p, ABSENT, rows.kind)
    keys = np.stack([*ends, kind, rows.payload, rows.dtype, rows.label, rows.step])[:, rest]
    signature = np.unique(keys, axis=1, return_inverse=True)[1].reshape(-1)
    direction = np.where(rows.is_p2p, rows.kind, 0)[rest]
    order = np.lexsort((rows.start_ns[rest], direction, rows.rank[rest], signature))
    s, r, d = signature[order], rows.rank[rest][order], direction[order]
    first = np.r_[True, (s[1:] != s[:-1]) | (r[1:] != r[:-1]) | (d[1:] != d[:-1])]
    nth = np.arange(len(order)) - np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    merged = number.copy()
    merged[rest[order]] = numbered(s, nth) + int(number.max(initial=-1)) + 1
    return merged
