"""Matched instances on the common clock -> lateness, wait, transfer and culprit of every row.

n-to-n: nobody moves data before the last has come, so wait = min(last arrival, own end) - own start, and
transfer is the rest (science.md 5; Scalasca's Wait at NxN). From a root only the root is waited for, into a
root only the root waits; a receive waits for its send, and a send for its receive where it was still
running when the receive began. Where a member or the root was not recorded the last may be unknown: those
present tell the least wait only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from commscope.analysis.alignment.instance_blocks import IN_CODES, OUT_CODES, RECV, SEND, Block, links_of
from commscope.analysis.rows import ABSENT, Rows
from commscope.trace import Int64, Mask

ROOTED = np.concatenate((IN_CODES, OUT_CODES))


@dataclass(frozen=True, slots=True)
class Waits:
    """Arrays by row; -1 where it cannot be told (all but the duration's minimum: without a match)."""

    lateness_ns: Int64
    wait_ns: Int64
    transfer_ns: Int64
    culprit: Int64  # the rank that was waited for; never the row's own
    transfer_free_ns: Int64  # clock-free: the smallest duration over the members
    least_wait_ns: Int64  # the wait, or where it cannot be told how long it was at least
    most_wait_ns: Int64  # ... and at most; -1 where that tells nothing


def waits_of(common: Rows, instance: Int64, is_whole: Mask, *, clocked: bool) -> Waits:
    """Waits of rows on the common clock, or by durations alone (T = min duration) where there is no clock.

    `is_whole` says of which rows every member was recorded.
    """
    columns = [np.full(len(common), ABSENT, dtype=np.int64) for _ in range(7)]
    lateness, wait, transfer, culprit, free, least, most = columns
    links = links_of(common, instance)
    ranks = np.array(links.ranks, dtype=np.int64)
    for block in links.blocks:
        duration = block.end_ns - block.start_ns
        smallest = np.broadcast_to(duration.min(axis=1, keepdims=True), duration.shape)
        free[block.row] = smallest
        if clocked:
            lateness[block.row] = block.start_ns - block.start_ns.min(axis=1, keepdims=True)
        waited, last = (
            _split(common, block) if clocked else (duration - smallest, _repeat(duration.argmin(1), block))
        )
        exact = is_whole[block.row] & _has_root(common, block)
        least[block.row] = waited if clocked else np.where(exact, waited, 0)
        most[block.row] = np.where(exact, waited, ABSENT)
        wait[block.row] = np.where(exact, waited, ABSENT)
        transfer[block.row] = np.where(exact, duration - waited, ABSENT)
        late = ranks[block.members[last]]
        culprit[block.row] = np.where(exact & (waited > 0), late, ABSENT)
    return Waits(*columns)


def ranged(waits: Waits, ways: Sequence[Waits]) -> Waits:
    """Waits with the range of those that every way of matching agrees on; `ways` hold no others."""
    if not ways:
        return waits
    least = np.min([one.wait_ns for one in ways], axis=0)
    most = np.max([one.wait_ns for one in ways], axis=0)
    longest = np.max([one.wait_ns + one.transfer_ns for one in ways], axis=0)
    told = (least >= 0) & ((least > 0) | (most < longest))
    return replace(
        waits,
        least_wait_ns=np.where(told, least, waits.least_wait_ns),
        most_wait_ns=np.where(told, most, waits.most_wait_ns),
    )


def _has_root(common: Rows, block: Block) -> bool:
    """Whether one of the members is the root, or none is needed."""
    rooted = bool(np.isin(common.kind[block.row[0]], ROOTED).any())
    return not rooted or int(block.gates.sum()) > len(block.members) or len(block.members) == 1


def _split(common: Rows, block: Block) -> tuple[Int64, Int64]:
    """Wait of each member and the position of the member it waited for."""
    if len(block.members) == 2 and set(common.kind[block.row].ravel().tolist()) == {SEND, RECV}:
        return _message(common, block)
    starts, ends = block.start_ns, block.end_ns
    waited = np.zeros_like(starts)
    last = np.empty_like(starts)
    for m in range(len(block.members)):
        gating = np.flatnonzero(block.gates[:, m])
        latest = starts[:, gating].argmax(axis=1)
        last[:, m] = gating[latest]
        arrival = starts[:, gating].max(axis=1)
        waited[:, m] = np.clip(np.minimum(arrival, ends[:, m]) - starts[:, m], 0, None)
    return waited, last


def _message(common: Rows, block: Block) -> tuple[Int64, Int64]:
    """A receive waits until its send begins. A send that still ran when its receive began had no room to put
    the data; one that had ended did not wait.

    Which side sends is told row by row: posted messages of both directions share a block.
    """
    sends = common.kind[block.row] == SEND
    other = block.start_ns[:, ::-1]
    waited = np.clip(np.minimum(other, block.end_ns) - block.start_ns, 0, None)
    buffered = sends & (block.end_ns <= other)
    return np.where(buffered, 0, waited), np.broadcast_to(np.array([1, 0]), waited.shape)


def _repeat(position: Int64, block: Block) -> Int64:
    return np.repeat(position[:, None], len(block.members), axis=1)
