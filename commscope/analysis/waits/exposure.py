"""Exposed communication of one rank and window split into transfer, wait and what cannot be told.

Where one stream transfers while another waits, data moves: the time is transfer. Where one waits while
another does what nobody can tell, data may move: the time is not told. All on the rank's own clock.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from commscope.analysis.intervals import clip, difference, intersection, measure, union_of
from commscope.analysis.result import Intervals, RankAnalysis, RankBreakdown


def with_waits(rank: RankAnalysis, transfer_ns: pd.Series) -> tuple[RankBreakdown, ...]:
    """The rank's breakdown with exposed transfer, wait and what is not told; the first two are None where
    exposed time stands in no instance whose transfer is known.
    """
    starts = rank.instances["start_ns"].to_numpy(np.int64)
    ends = rank.instances["end_ns"].to_numpy(np.int64)
    told = transfer_ns.notna().to_numpy()
    untold = ~told & ~rank.instances["is_call_only"].to_numpy(np.bool_)
    moving = transfer_ns.fillna(0).to_numpy(np.int64)
    transfer = union_of(np.maximum(ends - moving, starts)[told], ends[told])
    waiting = difference(union_of(starts[told], ends[told]), union_of(starts[untold], ends[untold]))
    waiting = difference(waiting, transfer)
    spans = {window.name: (window.start_ns, window.end_ns) for window in rank.windows}
    return tuple(
        _split(row, *(clip(each, *spans[row.window]) for each in (rank.exposed, transfer, waiting)))
        if row.window in spans
        else replace(row, exposed_unknown_ns=row.exposed_ns)
        for row in rank.breakdown
    )


def _split(row: RankBreakdown, here: Intervals, transfer: Intervals, waiting: Intervals) -> RankBreakdown:
    moved, waited = measure(intersection(here, transfer)), measure(intersection(here, waiting))
    unknown = row.exposed_ns - moved - waited
    if unknown and unknown == row.exposed_ns:
        return replace(row, exposed_unknown_ns=unknown)
    return replace(row, exposed_transfer_ns=moved, exposed_wait_ns=waited, exposed_unknown_ns=unknown)
