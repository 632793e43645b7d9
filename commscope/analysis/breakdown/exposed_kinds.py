"""Which collectives are exposed: a rank's breakdown and its instances -> the breakdown, exposed time by kind.

Where two kinds communicate at once the time counts for both, so kinds may sum to more than what is exposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from commscope.analysis.intervals import intersection, measure_within, union_of
from commscope.analysis.result import Intervals, RankBreakdown, Window

UNATTRIBUTED = "unattributed"


def with_exposed_kinds(
    rows: Sequence[RankBreakdown], instances: pd.DataFrame, exposed: Intervals, windows: Sequence[Window]
) -> tuple[RankBreakdown, ...]:
    """Exposed ns of each `collective/phase` in every window, kinds that never are left out."""
    start_ns = np.array([window.start_ns for window in windows], np.int64)
    end_ns = np.array([window.end_ns for window in windows], np.int64)
    found: dict[str, dict[str, int]] = {window.name: {} for window in windows}
    phase = instances["phase"].astype(object).fillna(UNATTRIBUTED)
    for (collective, where), part in instances.groupby([instances["collective"], phase], sort=True):
        spans = union_of(part["start_ns"].to_numpy(np.int64), part["end_ns"].to_numpy(np.int64))
        times = measure_within(intersection(exposed, spans), start_ns, end_ns)
        for window, time_ns in zip(windows, times.tolist(), strict=True):
            if time_ns:
                found[window.name][f"{collective}/{where}"] = int(time_ns)
    return tuple(replace(row, exposed_by_kind_ns=found[row.window]) for row in rows)
