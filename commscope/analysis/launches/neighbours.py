"""What came before something, on its lane or anywhere: takes columns, gives indices, -1 for nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from commscope.trace import Int64


def before_on_lane(lane: npt.NDArray[np.integer], start_ns: Int64) -> Int64:
    """For each row: the one that started before it on its lane; rows that start at once keep their order."""
    order = np.lexsort((start_ns, lane))
    before = np.full(len(order), -1)
    same = lane[order[1:]] == lane[order[:-1]]
    before[order[1:][same]] = order[:-1][same]
    return before


def last_ended(end_ns: Int64, by_ns: Int64) -> Int64:
    """For each moment: the last row to have ended by then."""
    by_end = np.argsort(end_ns, kind="stable")
    at = np.searchsorted(end_ns[by_end], by_ns, side="right") - 1
    return np.concatenate((by_end, [-1]))[at]
