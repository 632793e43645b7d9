"""Instance table of all ranks -> which rows are one instance, by proof.

In this order, each for what the ones before left open: Comms Id; (group, sequence number); the place in a
step, where all members have equally many; alignment of the ranks' signature sequences; the place between two
neighbours that are matched; sends and receives by the order on their channel. Bare order over a whole capture
is never used. An instance counts as matched when every present member has it. Clocks are the check: where
they refute one of those that a count proved together, the count was wrong, and all of them fall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from commscope.analysis.alignment.cluster import Known, cluster
from commscope.analysis.alignment.tracks import IS_ROOTED, track_of
from commscope.analysis.clocks import solve_clock
from commscope.analysis.matching.doubt import could_be_another
from commscope.analysis.matching.numbering import renumbered, with_the_rest
from commscope.analysis.matching.places import (
    by_place,
    frames_between,
    in_full_steps,
    side_of,
    signatures,
    step_frames,
)
from commscope.analysis.matching.possible import open_rows, ways_to_match
from commscope.analysis.matching.rank_sets import Pool, pools_of
from commscope.analysis.matching.recorded_keys import (
    apart,
    by_comms_id,
    by_group_and_seq,
    contradicts,
    numbered,
    shares_its_label,
)
from commscope.analysis.matching.send_recv import pair_up
from commscope.analysis.matching.state import PROOFS, Found, State, merged, nothing, withdrawn
from commscope.analysis.rows import ABSENT, Members, Rows
from commscope.schema import Proof
from commscope.trace import Int64, Mask


@dataclass(frozen=True, slots=True)
class Matched:
    """By row: the instance (-1: unmatched) and a number that counts distinct collectives; which numbers
    contradict.
    """

    instance: Int64
    number: Int64
    refused: Mask  # by row: a pairing was found and thrown away
    proof: Int64  # index in PROOFS, -1 where unmatched
    members_by: Int64  # index in MEMBERS_BY: what told who takes part
    ways: tuple[
        Int64, ...
    ] = ()  # of rows that nothing proves: numbers equal for one collective, one array a way

    @property
    def methods(self) -> tuple[str, ...]:
        """The proofs in use."""
        return tuple(str(PROOFS[code]) for code in np.unique(self.proof[self.instance >= 0]))


def match(rows: Rows, sets: Sequence[Members], hosts: Mapping[int, str | None]) -> Matched:
    """Match rows of all ranks; `sets` are the members of each process group, as far as the run names them."""
    state = nothing(len(rows))
    state = _by_key(rows, state, by_comms_id(rows), Proof.COMMS_ID)
    state = _by_key(rows, state, np.where(state.proved, ABSENT, by_group_and_seq(rows)), Proof.GROUP_SEQ)
    state = _by_signature(rows, state, sets, hosts)
    state = _by_pairs(rows, state, sets, hosts)
    return Matched(
        instance=renumbered(rows, state.instance),
        number=with_the_rest(rows, state.number),
        refused=state.refused & ~state.proved,
        proof=state.proof,
        members_by=_weakest(state),
        ways=_ways(rows, state, sets, hosts),
    )


def _ways(
    rows: Rows, state: State, sets: Sequence[Members], hosts: Mapping[int, str | None]
) -> tuple[Int64, ...]:
    """How what nothing proves can be matched."""
    if not open_rows(rows, state).any():
        return ()
    return ways_to_match(rows, state, sets, _known(rows, state, hosts))


def _weakest(state: State) -> Int64:
    """What told the members of each row's instance: the least sure of what told it of one of them."""
    told = np.flatnonzero(state.proved)
    least = np.zeros(int(state.number.max(initial=ABSENT)) + 1, dtype=np.int64)
    np.maximum.at(least, state.number[told], state.members_by[told])
    weakest = np.full(len(state.number), ABSENT, dtype=np.int64)
    weakest[told] = least[state.number[told]]
    return weakest


def _by_key(rows: Rows, state: State, key: Int64, proof: Proof) -> State:
    """Take the keys whose rows agree and are complete."""
    number = apart(rows, key)
    told = np.flatnonzero(number >= 0)
    if not len(told):
        return state
    wrong = contradicts(rows, number)
    complete = _complete(rows, number, len(wrong))
    good, bad = (np.zeros(len(number), dtype=np.bool_) for _ in range(2))
    good[told] = complete[number[told]] & ~wrong[number[told]]
    bad[told] = wrong[number[told]]
    return merged(state, Found(proof, number, good, bad))


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
    rows: Rows, state: State, sets: Sequence[Members], hosts: Mapping[int, str | None]
) -> State:
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
    members_by = state.members_by.copy()
    for pool in pools:
        members_by[pool.row] = pool.members_by
    state = replace(state, members_by=members_by)
    for pool in pools:
        state = _placed(rows, state, pool, signature)
    state = _unrefuted(rows, state, hosts)
    for pool in pools:
        state = _aligned(rows, state, pool, hosts)
    for pool in pools:
        state = _between(rows, state, pool, signature)
    return state


def _placed(rows: Rows, state: State, pool: Pool, signature: Int64) -> State:
    """The k-th of a step is the k-th on every member, where all have equally many."""
    sides = [side_of(rows, pool.row[rows.rank[pool.row] == rank]) for rank in pool.ranks]
    found = by_place(rows, sides, step_frames(rows), signature)
    bad = _rows_of(found.number, contradicts(rows, found.number))
    good = (found.number >= 0) & ~bad
    return merged(state, Found(Proof.STEP_ORDER, found.number, good, bad, found.together))


def _rows_of(number: Int64, chosen: Mask) -> Mask:
    """The rows of chosen numbers; -1 is none."""
    rows: Mask = (number >= 0) & np.append(chosen, False)[number]
    return rows


def _unrefuted(rows: Rows, state: State, hosts: Mapping[int, str | None]) -> State:
    """Without what one count proved together with something that no clock allows."""
    if not (state.together >= 0).any():
        return state
    instance = _instance(state)
    refused = _rows_of(instance, solve_clock(rows, instance, hosts).refused)
    fallen = np.unique(state.together[refused & (state.together >= 0)])
    return withdrawn(state, np.isin(state.together, fallen)) if len(fallen) else state


def _between(rows: Rows, state: State, pool: Pool, signature: Int64) -> State:
    """On one communicator the predecessor and the successor of an instance are the same on all members."""
    if state.proved[pool.row].all():
        return state
    sides = [side_of(rows, pool.row[rows.rank[pool.row] == rank]) for rank in pool.ranks]
    frames = frames_between(rows, sides, state.instance, signature)
    found = by_place(rows, sides, frames, signature)
    number = np.where(in_full_steps(rows, signature), found.number, ABSENT)
    wrong = contradicts(rows, number)
    bad = _rows_of(number, wrong | _in_several_steps(rows, number, len(wrong)))
    return merged(state, Found(Proof.NEIGHBOURS, number, (number >= 0) & ~bad, bad, found.together))


def _aligned(rows: Rows, state: State, pool: Pool, hosts: Mapping[int, str | None]) -> State:
    """What ends together, of the rows still open; from a root, or into one, nothing need even overlap."""
    left = pool.row[~state.proved[pool.row] & ~IS_ROOTED[rows.kind[pool.row]]]
    if not all((rows.rank[left] == rank).any() for rank in pool.ranks):
        return state
    tracks = {rank: track_of(rows, left[rows.rank[left] == rank]) for rank in pool.ranks}
    found = cluster(tracks, _known(rows, state, hosts))
    number = np.full(len(rows), ABSENT, dtype=np.int64)
    number[found.row] = found.number
    complete = np.bincount(found.number) == len(pool.ranks)
    good = complete & ~contradicts(rows, number) & ~_in_several_steps(rows, number, len(complete))
    none = np.zeros(len(rows), dtype=np.bool_)
    aligned = merged(state, Found(Proof.SIGNATURE, number, _rows_of(number, good), none))
    if complete.all():
        return aligned
    # on the clock that they themselves give, what stayed alone may turn out to fit as well
    sure = good & ~could_be_another(rows, number, complete, _known(rows, aligned, hosts))
    return merged(state, Found(Proof.SIGNATURE, number, _rows_of(number, sure), none))


def _in_several_steps(rows: Rows, number: Int64, count: int) -> Mask:
    """By number: whether its rows lie in steps of different names."""
    told = np.flatnonzero((number >= 0) & (rows.step >= 0))
    low, high = np.full(count, len(rows), dtype=np.int64), np.full(count, ABSENT, dtype=np.int64)
    np.minimum.at(low, number[told], rows.step[told])
    np.maximum.at(high, number[told], rows.step[told])
    several: Mask = low < high
    return several


def _by_pairs(rows: Rows, state: State, sets: Sequence[Members], hosts: Mapping[int, str | None]) -> State:
    """Sends with their receives."""
    if not rows.is_p2p.any():
        return state
    found = pair_up(rows, sets, _known(rows, state, hosts), state.instance)
    number = np.where(np.isin(found.number, found.number[~rows.is_timed]), ABSENT, found.number)
    state = replace(state, members_by=np.where(rows.is_p2p, found.members_by, state.members_by))
    none = np.zeros(len(rows), dtype=np.bool_)
    for proof, chosen in (
        (Proof.CHANNEL_ORDER, ~found.ends_together),
        (Proof.SIGNATURE, found.ends_together),
    ):
        taken = np.where(chosen, number, ABSENT)
        state = merged(state, Found(proof, taken, taken >= 0, none, found.together))
    return _unrefuted(rows, state, hosts)


def _instance(state: State) -> Int64:
    """Proved instances numbered without a hole, -1 elsewhere."""
    return numbered(np.where(state.proved, 0, ABSENT), state.number)


def _known(rows: Rows, state: State, hosts: Mapping[int, str | None]) -> Known:
    solved = solve_clock(rows, _instance(state), hosts)
    offsets = {} if solved.clock is None else solved.clock.offsets_ns
    component = {} if solved.clock is None else solved.component
    residual_ns = 0 if solved.clock is None else solved.clock.residual_ns
    return Known(hosts, offsets, component, residual_ns)
