"""Exposed communication of one rank and window split into transfer and wait.

Where one stream transfers while another waits, data moves: the time is transfer. All on the rank's own clock.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from commscope.analysis.intervals import clip, difference, intersection, measure, union_of
from commscope.analysis.result import Intervals, RankAnalysis, RankBreakdown


def with_waits(rank: RankAnalysis, transfer_ns: pd.Series) -> tuple[RankBreakdown, ...]:
    """The rank's breakdown with exposed wait and transfer, None where exposed time stands in no matched
    instance.
    """
    starts = rank.instances["start_ns"].to_numpy(np.int64)
    ends = rank.instances["end_ns"].to_numpy(np.int64)
    told = transfer_ns.notna().to_numpy()
    moving = transfer_ns.fillna(0).to_numpy(np.int64)
    matched = union_of(starts[told], ends[told])
    transfer = union_of(np.maximum(ends - moving, starts)[told], ends[told])
    spans = {window.name: (window.start_ns, window.end_ns) for window in rank.windows}
    return tuple(
        _split(row, rank.exposed, spans.get(row.window), (matched, transfer)) for row in rank.breakdown
    )


def _split(
    row: RankBreakdown, exposed: Intervals, span: tuple[int, int] | None, known: tuple[Intervals, Intervals]
) -> RankBreakdown:
    matched, transfer = known
    if span is None:
        return row
    here = clip(exposed, *span)
    if measure(difference(here, matched)) > 0:
        return row
    moved = measure(intersection(here, transfer))
    return replace(row, exposed_transfer_ns=moved, exposed_wait_ns=row.exposed_ns - moved)
