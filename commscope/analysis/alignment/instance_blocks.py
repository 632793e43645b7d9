"""Matched instances as dense blocks: for each set of member ranks, starts and ends (instances x members).

A collective ties its members by its kind of join: in an n-to-n collective every start gates every end; from
a root (broadcast, scatter) the root's start gates all ends; into a root (reduce, gather) all starts gate
the root's end; a receive ends after its send began.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.rows import ABSENT, KINDS, ROOTED_IN, ROOTED_OUT, Rows
from commscope.schema import Collective
from commscope.trace import Int64, Mask

SEND, RECV = KINDS.index(Collective.SEND), KINDS.index(Collective.RECV)
OUT_CODES = np.array([KINDS.index(kind) for kind in ROOTED_OUT])
IN_CODES = np.array([KINDS.index(kind) for kind in ROOTED_IN])


@dataclass(frozen=True, slots=True)
class Block:
    """Instances of equal members (positions in Links.ranks, ascending) and one kind of join."""

    instance: Int64  # k
    members: Int64  # m
    row: Int64  # k x m
    start_ns: Int64  # k x m
    end_ns: Int64  # k x m
    gates: Mask  # m x m: start of the row's member gates the end of the column's member

    @property
    def is_even(self) -> bool:
        """Whether all ends coincide but for noise."""
        return bool(self.gates.all())


@dataclass(frozen=True, slots=True)
class Links:
    """All blocks of a run."""

    ranks: tuple[int, ...]
    count: int  # instances
    blocks: tuple[Block, ...]

    @property
    def is_tied(self) -> bool:
        """Whether any two ranks share an instance that bounds their clocks."""
        return any((block.gates.sum() - np.trace(block.gates)) > 0 for block in self.blocks)

    def overrun_ns(self, offsets_ns: Int64) -> Int64:
        """By how much each instance's latest gating start lies after an end it gates, under offsets by
        rank.
        """
        late = np.full(self.count, -(1 << 62), dtype=np.int64)
        for block in self.blocks:
            move = offsets_ns[block.members]
            starts, ends = block.start_ns + move, block.end_ns + move
            worst = late[block.instance]
            for m in range(len(block.members)):
                gating = block.gates[:, m]
                if gating.any():
                    worst = np.maximum(worst, starts[:, gating].max(axis=1) - ends[:, m])
            late[block.instance] = worst
        return late


def links_of(rows: Rows, instance: Int64) -> Links:
    """Blocks of the rows that carry an instance number; instances of unrecorded times tie nothing."""
    ranks, position = np.unique(rows.rank, return_inverse=True)
    untimed = np.unique(instance[~rows.is_timed])
    matched = np.flatnonzero((instance >= 0) & ~np.isin(instance, untimed))
    order = matched[np.lexsort((position[matched], instance[matched]))]
    if len(order) == 0:
        return Links(tuple(ranks.tolist()), int(instance.max(initial=-1)) + 1, ())
    numbers, first, sizes = np.unique(instance[order], return_index=True, return_counts=True)
    shapes: dict[bytes, list[int]] = {}
    ordered_position, join = position[order], _join_codes(rows, order)
    for n, (begin, size) in enumerate(zip(first.tolist(), sizes.tolist(), strict=True)):
        key = ordered_position[begin : begin + size].tobytes() + join[begin : begin + size].tobytes()
        shapes.setdefault(key, []).append(n)
    blocks = []
    for alike in shapes.values():
        picked = np.array(alike)
        at = order[first[picked][:, None] + np.arange(sizes[picked[0]])[None, :]]
        blocks.append(
            Block(
                instance=numbers[picked],
                members=position[at[0]].astype(np.int64),
                row=at,
                start_ns=rows.start_ns[at],
                end_ns=rows.end_ns[at],
                gates=_gates(rows, at[0]),
            )
        )
    return Links(tuple(ranks.tolist()), int(instance.max()) + 1, tuple(blocks))


def _join_codes(rows: Rows, order: Int64) -> Int64:
    """Rows of equal code gate each other in the same way: the kind and, for rooted ones, the root."""
    kind = rows.kind[order]
    rooted = np.isin(kind, np.concatenate((OUT_CODES, IN_CODES)))
    directed = rooted | np.isin(kind, (SEND, RECV))
    code = np.where(directed, kind * (1 << 32) + np.where(rooted, rows.peer[order] + 1, 0), ABSENT)
    return np.where(rows.is_posted[order], ABSENT - 1, code)


def _gates(rows: Rows, at: Int64) -> Mask:
    """Which member's start gates which member's end; a root nobody recorded and a posted record gate
    nothing.
    """
    kind, rank = rows.kind[at], rows.rank[at]
    gates = np.eye(len(at), dtype=np.bool_)
    if rows.is_posted[at].any():
        return gates
    roots = rows.peer[at]
    root = rank == roots.max(initial=ABSENT)
    if np.isin(kind, OUT_CODES).any():
        gates[root, :] = True
    elif np.isin(kind, IN_CODES).any():
        gates[:, root] = True
    elif np.isin(kind, (SEND, RECV)).any():
        gates |= (kind == SEND)[:, None] & (kind == RECV)[None, :]
    else:
        gates[:, :] = True
    return gates
