"""Which aligned instances could as well hold a row that stayed alone.

Where a rank lost rows, ends that scatter by more than a collective takes pair a row with its neighbour.
"""

from __future__ import annotations

import numpy as np

from commscope.analysis.alignment.cluster import Known
from commscope.analysis.rows import Rows
from commscope.trace import Int64, Mask

MARGIN_RESIDUALS = 4  # a clock from few ends that scatter may be off by several times their usual distance


def could_be_another(rows: Rows, number: Int64, complete: Mask, known: Known) -> Mask:
    """By number: whether a row alone, alike and of one of its ranks, overlaps a row of another of its ranks.

    On the clocks known so far, within what their ends scatter; `number` is -1 for the others.
    """
    doubtful = np.zeros(len(complete), dtype=np.bool_)
    told = np.flatnonzero(number >= 0)
    move = _moved(rows, known)
    start, end = rows.start_ns + move, rows.end_ns + move
    margin_ns = MARGIN_RESIDUALS * known.residual_ns
    alone, whole = told[~complete[number[told]]], told[complete[number[told]]]
    for row in alone.tolist():
        alike = whole[_alike(rows, whole, row)]
        same_rank = rows.rank[alike] == rows.rank[row]
        others = alike[~same_rank]
        meeting = others[(end[others] + margin_ns >= start[row]) & (start[others] - margin_ns <= end[row])]
        doubtful[np.intersect1d(number[meeting], number[alike[same_rank]])] = True
    return doubtful


def _moved(rows: Rows, known: Known) -> Int64:
    """What to add to each row's stamps; 0 where its clock is not known."""
    return np.array([known.offsets_ns.get(rank, 0) for rank in rows.rank.tolist()], dtype=np.int64)


def _alike(rows: Rows, chosen: Int64, row: int) -> Mask:
    same: Mask = np.ones(len(chosen), dtype=np.bool_)
    for column in (rows.kind, rows.payload, rows.dtype):
        same &= column[chosen] == column[row]
    return same
