"""Exposed communication of one rank and window split into transfer, wait and what cannot be told.

Of each instance its first part was waiting at least, its last part was transfer at least, and what lies
between is not told: nothing where the wait is known, all of it where nothing is. Where one stream transfers
while another waits, data moves: the time is transfer. Where one waits while another does what nobody can
tell, data may move: the time is not told. All on the rank's own clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from commscope.analysis.intervals import clip, difference, intersection, measure, union_of
from commscope.analysis.result import Intervals, RankAnalysis, RankBreakdown
from commscope.trace import Int64


@dataclass(frozen=True, slots=True)
class WaitRange:
    """How long each row of a rank waited at least and at most; the latter -1 where nothing is told."""

    least_ns: Int64
    most_ns: Int64


def with_waits(rank: RankAnalysis, waited: WaitRange) -> tuple[RankBreakdown, ...]:
    """The rank's breakdown with exposed transfer, wait and what is not told; the first two are None where
    nothing of the exposed time is told.
    """
    timed = ~rank.instances["is_call_only"].to_numpy(np.bool_)
    starts = rank.instances["start_ns"].to_numpy(np.int64)[timed]
    ends = rank.instances["end_ns"].to_numpy(np.int64)[timed]
    least, most = waited.least_ns[timed], waited.most_ns[timed]
    told = most >= 0
    surely = np.where(told, np.minimum(starts + least, ends), starts)
    moving = np.where(told, np.minimum(starts + most, ends), ends)
    transfer = union_of(moving, ends)
    waiting = difference(union_of(starts, surely), union_of(surely, moving))
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
