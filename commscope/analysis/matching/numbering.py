"""Numbers of collectives to count and show by: takes rows and the numbers that matching gave."""

from __future__ import annotations

import numpy as np

from commscope.analysis.matching.peers import RECV
from commscope.analysis.matching.recorded_keys import numbered
from commscope.analysis.rows import ABSENT, Rows
from commscope.trace import Int64


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


def with_the_rest(rows: Rows, number: Int64) -> Int64:
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
    completed = number.copy()
    completed[rest[order]] = numbered(s, nth) + int(number.max(initial=-1)) + 1
    return completed
