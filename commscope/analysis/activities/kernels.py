"""A rank's kernels by name and shape, beside communication and alone: events -> a bounded table.

The shape is that of the operator that launched it, where inputs were recorded. A kernel counts as beside
communication where that ran for at least half of it, as alone where it ran for none of it. Without a device
the outermost operators stand for kernels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from commscope.analysis import intervals as iv
from commscope.analysis.attribution import Attribution, Busy
from commscope.analysis.events import enclosing_rows
from commscope.schema import EventKind
from commscope.trace import Events, Int64

MOST = 200  # that took longest; the others are left out
COLUMNS = ("name", "shape", "count", "time_ns", "longest_ns")
PARTS = ("alone", "beside")
MOMENTS = tuple(f"{part}_{what}" for part in PARTS for what in ("count", "time_ns", "squares"))


def kernels_of(events: Events, attribution: Attribution, launches: Int64) -> pd.DataFrame:
    """Count, time, longest and moments of both kinds; `squares` are sums of squared times in us."""
    rows = np.flatnonzero(attribution.busy == Busy.COMPUTE)
    took = events.end_ns[rows] - events.start_ns[rows]
    beside = iv.measure_within(attribution.communication, events.start_ns[rows], events.end_ns[rows])
    shape = _shapes(events, rows, launches)
    key = events.name_id[rows].astype(np.int64) * (1 + shape.max(initial=0) + 1) + shape + 1
    keys, first, group = np.unique(key, return_index=True, return_inverse=True)
    columns = {
        "name": [events.name(int(rows[at])) for at in first],
        "shape": [_words(events, int(shape[at])) for at in first],
        "count": np.bincount(group, minlength=len(keys)),
        "time_ns": _summed(group, took, len(keys)),
        "longest_ns": _longest(group, took, len(keys)),
    }
    for part, chosen in (("alone", beside == 0), ("beside", (2 * beside >= took) & (beside > 0))):
        columns[f"{part}_count"] = np.bincount(group[chosen], minlength=len(keys))
        columns[f"{part}_time_ns"] = _summed(group[chosen], took[chosen], len(keys))
        squares = (took[chosen] / 1_000.0) ** 2
        columns[f"{part}_squares"] = np.bincount(group[chosen], weights=squares, minlength=len(keys))
    table = pd.DataFrame(columns, columns=[*COLUMNS, *MOMENTS])
    ordered = table.sort_values(["time_ns", "name", "shape"], ascending=[False, True, True], kind="stable")
    return ordered.head(MOST).reset_index(drop=True)


def _shapes(events: Events, rows: Int64, launches: Int64) -> Int64:
    """For each kernel the facts of the operator around its launch that hold a shape, or -1."""
    shaped = np.array([bool(facts.shapes) and facts.collective is None for facts in events.comms], bool)
    if not shaped.any():
        return np.full(len(rows), -1)
    known = events.comm_id >= 0
    known[known] = shaped[events.comm_id[known]]
    operators = np.flatnonzero(known & events.is_kind(EventKind.OP))
    launch = np.where(launches[rows] >= 0, launches[rows], rows)
    around = enclosing_rows(events, operators, launch)
    return np.where(around >= 0, events.comm_id[around], -1).astype(np.int64)


def _words(events: Events, facts: int) -> str | None:
    if facts < 0:
        return None
    shapes = events.comms[facts].shapes
    return " x ".join("[" + ",".join(map(str, one)) + "]" for one in shapes if one)


def _summed(group: Int64, values: Int64, count: int) -> Int64:
    total = np.zeros(count, np.int64)
    np.add.at(total, group, values)
    return total


def _longest(group: Int64, values: Int64, count: int) -> Int64:
    longest = np.zeros(count, np.int64)
    np.maximum.at(longest, group, values)
    return longest
