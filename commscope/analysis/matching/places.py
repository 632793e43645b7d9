"""Place as evidence: on one communicator, the k-th collective of a frame is the k-th on every member.

A frame is a stretch that all members tell apart alike: a step of one name, or what lies between two matched
instances. It proves only what looks whole: equal counts on all members, in one order, and as many of each
signature as the fullest frame of its context. A frame that lost rows on two ranks is equal by chance only if
all others lost as many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commscope.analysis.matching.recorded_keys import numbered
from commscope.analysis.rows import ABSENT, UNKNOWN_CODE, Rows
from commscope.trace import Int64, Mask


@dataclass(frozen=True, slots=True)
class Frames:
    """By row: the frame it lies in (-1: none), and the context of that frame, whose frames look alike."""

    code: Int64
    context: Int64


@dataclass(frozen=True, slots=True)
class Side:
    """The rows of one member in the order of the program, and whether that order is certain."""

    row: Int64
    is_ordered: bool


def signatures(rows: Rows) -> Int64:
    """By row: a code of what must be equal over the members of an instance; a send's is its receive's."""
    kind = np.where(rows.is_p2p, ABSENT, rows.kind)
    return np.unique(np.stack((kind, rows.payload, rows.dtype, rows.tag)), axis=1, return_inverse=True)[
        1
    ].reshape(-1)


def side_of(rows: Rows, chosen: Int64) -> Side:
    """The chosen rows of one rank: by issue; by start where that is unknown, certain on one lane only."""
    order = chosen[np.lexsort((rows.start_ns[chosen], rows.order_ns[chosen]))]
    issued = bool((rows.order_ns[chosen] != rows.start_ns[chosen]).any())
    return Side(order, issued or len(np.unique(rows.lane[chosen])) <= 1)


def step_frames(rows: Rows) -> Frames:
    """Steps of one name; they all look alike."""
    return Frames(rows.step, np.zeros(len(rows), dtype=np.int64))


def frames_between(rows: Rows, sides: Sequence[Side], instance: Int64, signature: Int64) -> Frames:
    """What lies between two neighbouring matched instances; alike where the neighbours have one signature."""
    before, after = (np.full(len(rows), ABSENT, dtype=np.int64) for _ in range(2))
    kind_before, kind_after = before.copy(), before.copy()
    for side in sides:
        anchors = np.flatnonzero(instance[side.row] >= 0)
        if len(anchors) < 2:
            continue
        place = np.searchsorted(anchors, np.arange(len(side.row)), side="right")
        inside = (place > 0) & (place < len(anchors)) & (instance[side.row] < 0)
        row, place = side.row[inside], place[inside]
        left, right = side.row[anchors[place - 1]], side.row[anchors[place]]
        before[row], after[row] = instance[left], instance[right]
        kind_before[row], kind_after[row] = signature[left], signature[right]
    return Frames(numbered(before, after), numbered(kind_before, kind_after))


def in_full_steps(rows: Rows, signature: Int64) -> Mask:
    """Rows of which their rank has as many in this step as in any; outside steps all.

    Where two ranks lost a row each, counts are equal by chance; another step tells that one is missing.
    """
    of_rank = numbered(rows.rank, signature)
    cell = numbered(of_rank, np.maximum(rows.step, 0))
    stepped = np.flatnonzero(rows.step >= 0)
    found = np.bincount(cell[stepped], minlength=int(cell.max(initial=0)) + 1)
    most = np.zeros(int(of_rank.max(initial=0)) + 1, dtype=np.int64)
    np.maximum.at(most, of_rank[stepped], found[cell[stepped]])
    full: Mask = (rows.step < 0) | (found[cell] == most[of_rank])
    return full


@dataclass(frozen=True, slots=True)
class Placed:
    """By row, -1 where place proves nothing: a number equal for one instance, and one equal for all that the
    same count proves: a row too many or too few among them, and none is.
    """

    number: Int64
    together: Int64


def by_place(rows: Rows, sides: Sequence[Side], frames: Frames, signature: Int64) -> Placed:
    """The rows whose place proves them."""
    number, together = (np.full(len(rows), ABSENT, dtype=np.int64) for _ in range(2))
    if len(sides) < 2 or any(len(side.row) == 0 for side in sides):
        return Placed(number, together)
    row = np.concatenate([side.row for side in sides])
    member = np.repeat(np.arange(len(sides)), [len(side.row) for side in sides])
    inside = frames.code[row] >= 0
    row, member = row[inside], member[inside]
    same = _completed(rows, (row, member, len(sides)), frames, signature)
    cell = numbered(frames.code[row], same)
    proved = _regular((cell, member, len(sides)), frames.context[row], same)
    if all(side.is_ordered for side in sides):
        proved &= ~_crossed((row, member, len(sides)), frames, same)
    nth = _nth(cell, member)
    number[row[proved]] = numbered(cell[proved], nth[proved])
    together[row[proved]] = cell[proved]
    return Placed(number, together)


def _completed(rows: Rows, placed: tuple[Int64, Int64, int], frames: Frames, signature: Int64) -> Int64:
    """Signatures by placed row; where a rank lacks a size or kind, that of the first member's row at the
    same place, if all else agrees.
    """
    row, member, count = placed
    same = signature[row].copy()
    if not ((rows.payload[row] == ABSENT) | (rows.kind[row] == UNKNOWN_CODE)).any():
        return same
    for code in np.unique(frames.code[row]):
        at = [np.flatnonzero((frames.code[row] == code) & (member == m)) for m in range(count)]
        if len({len(one) for one in at}) != 1:
            continue
        for one in at[1:]:
            if _alike(rows, row[at[0]], row[one]).all():
                same[one] = same[at[0]]
    return same


def _alike(rows: Rows, one: Int64, other: Int64) -> Mask:
    """Whether rows agree in all that both record."""
    agree = np.ones(len(one), dtype=np.bool_)
    for column, absent in ((rows.kind, UNKNOWN_CODE), (rows.payload, ABSENT), (rows.dtype, ABSENT)):
        x, y = column[one], column[other]
        agree &= (x == y) | (x == absent) | (y == absent) | (rows.is_p2p[one] & (absent == UNKNOWN_CODE))
    return agree


def _regular(cells: tuple[Int64, Int64, int], context: Int64, same: Int64) -> Mask:
    """Rows of cells that all members have equally often, as often as the fullest cell of the context."""
    cell, member, count = cells
    if len(cell) == 0:
        return np.zeros(0, dtype=np.bool_)
    found = np.zeros((int(cell.max()) + 1, count), dtype=np.int64)
    np.add.at(found, (cell, member), 1)
    least, most = found.min(axis=1), found.max(axis=1)
    alike = numbered(context, same)
    fullest = np.zeros(int(alike.max()) + 1, dtype=np.int64)
    np.maximum.at(fullest, alike, most[cell])
    regular: Mask = (least == most)[cell] & (most[cell] == fullest[alike])
    return regular


def _crossed(placed: tuple[Int64, Int64, int], frames: Frames, same: Int64) -> Mask:
    """Rows of frames whose members have equally many of each signature, but in another order."""
    row, member, count = placed
    code = frames.code[row]
    crossed = np.zeros(len(row), dtype=np.bool_)
    for one in np.unique(code):
        here = code == one
        orders = [same[here & (member == m)] for m in range(count)]
        if any(len(order) == len(orders[0]) and not np.array_equal(order, orders[0]) for order in orders[1:]):
            crossed |= here
    return crossed


def _nth(cell: Int64, member: Int64) -> Int64:
    """The place of each row among those of its cell and member, in the order given."""
    order = np.lexsort((np.arange(len(cell)), member, cell))
    c, m = cell[order], member[order]
    first = np.r_[True, (c[1:] != c[:-1]) | (m[1:] != m[:-1])] if len(c) else np.zeros(0, dtype=np.bool_)
    nth = np.empty(len(cell), dtype=np.int64)
    nth[order] = np.arange(len(order)) - np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    return nth
