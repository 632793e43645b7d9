"""Matched instances on the common clock -> lateness, wait, transfer and culprit of every row.

n-to-n: nobody moves data before the last has come, so wait = min(last arrival, own end) - own start, and
transfer is the rest (science.md 5; Scalasca's Wait at NxN). From a root only the root is waited for, into a
root only the root waits; a receive waits for its send, and a send for its receive where it was still
running when the receive began.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.alignment.instance_blocks import IN_CODES, OUT_CODES, SEND, Block, links_of
from commscope.analysis.rows import ABSENT, Rows
from commscope.trace import Int64

ROOTED = np.concatenate((IN_CODES, OUT_CODES))


@dataclass(frozen=True, slots=True)
class Waits:
    """Arrays by row; -1 where the row is unmatched (lateness also without a clock)."""

    lateness_ns: Int64
    wait_ns: Int64
    transfer_ns: Int64
    culprit: Int64
    transfer_free_ns: Int64  # clock-free: the smallest duration over the members


def waits_of(common: Rows, instance: Int64, *, clocked: bool) -> Waits:
    """Waits of rows on the common clock, or by durations alone (T = min duration) where there is no clock."""
    columns = [np.full(len(common), ABSENT, dtype=np.int64) for _ in range(5)]
    lateness, wait, transfer, culprit, free = columns
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
        wait[block.row] = waited
        transfer[block.row] = duration - waited
        culprit[block.row] = ranks[block.members[last]]
    return Waits(lateness, wait, transfer, culprit, free)


def _split(common: Rows, block: Block) -> tuple[Int64, Int64]:
    """Wait of each member and the position of the member it waited for."""
    kind = common.kind[block.row[0]]
    if np.isin(kind, ROOTED).any() and int(block.gates.sum()) == len(block.members):
        return _root_unknown(block)
    starts, ends = block.start_ns, block.end_ns
    waited = np.zeros_like(starts)
    last = np.empty_like(starts)
    for m in range(len(block.members)):
        gating = np.flatnonzero(block.gates[:, m])
        latest = starts[:, gating].argmax(axis=1)
        last[:, m] = gating[latest]
        arrival = starts[:, gating].max(axis=1)
        waited[:, m] = np.clip(np.minimum(arrival, ends[:, m]) - starts[:, m], 0, None)
    if len(block.members) == 2 and (kind == SEND).sum() == 1:
        _late_receiver(block, int(np.flatnonzero(kind == SEND)[0]), waited, last)
    return waited, last


def _late_receiver(block: Block, sender: int, waited: Int64, last: Int64) -> None:
    """A send that still ran when its receive began had no room to put the data; one that had ended did not
    wait.
    """
    begun = block.start_ns[:, 1 - sender]
    held = (block.end_ns[:, sender] > begun) & (begun > block.start_ns[:, sender])
    waited[held, sender] = begun[held] - block.start_ns[held, sender]
    last[held, sender] = 1 - sender


def _root_unknown(block: Block) -> tuple[Int64, Int64]:
    """Without the root only durations speak: the shortest one transferred all the time."""
    duration = block.end_ns - block.start_ns
    return duration - duration.min(axis=1, keepdims=True), _repeat(block.start_ns.argmax(axis=1), block)


def _repeat(position: Int64, block: Block) -> Int64:
    return np.repeat(position[:, None], len(block.members), axis=1)
