"""Ranks: how unlike they are in each part of a window, and the longest times in which devices did nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from commscope.analysis.naming import spent_words
from commscope.analysis.result import Analysis
from commscope.analysis.summary import breakdown_of
from commscope.schema import CAPTURE

PARTS = (
    "span_ns",
    "compute_ns",
    "exposed_wait_ns",
    "exposed_transfer_ns",
    "copy_ns",
    "host_bound_ns",
    "idle_ns",
)
QUANTILES = ("min", "q1", "median", "q3", "max")
IDLE = ("rank", "window", "start_ns", "time_ns", "host")


def rank_quantiles(analysis: Analysis, window: str) -> pd.DataFrame:
    """One row a part of a window: its quantiles over ranks in ns, the rank with most of it and max - min.

    Ordered by the skew: what differs most between ranks first.
    """
    rows = breakdown_of(analysis, window)
    found = []
    for part in PARTS:
        told = [(getattr(row, part), row.rank) for row in rows if getattr(row, part) is not None]
        if told:
            values = np.quantile([value for value, _ in told], (0, 0.25, 0.5, 0.75, 1))
            most = max(told)
            found.append(
                {
                    "part": part.removesuffix("_ns"),
                    **{
                        f"{name}_ns": round(float(value))
                        for name, value in zip(QUANTILES, values, strict=True)
                    },
                    "skew_ns": most[0] - min(told)[0],
                    "most_rank": most[1],
                }
            )
    columns = ["part", *(f"{name}_ns" for name in QUANTILES), "skew_ns", "most_rank"]
    table = pd.DataFrame(found, columns=columns)
    return table.sort_values("skew_ns", ascending=False, kind="stable").reset_index(drop=True)


def idle_times(analysis: Analysis, window: str) -> pd.DataFrame:
    """The longest times in which a rank's device did nothing, and what its host did then; longest first."""
    span = next((one for one in analysis.windows if one.name == window), None)
    rows = [
        {
            "rank": gap.rank,
            "window": _window_of(analysis, gap.start_ns),
            "start_ns": gap.start_ns,
            "time_ns": gap.end_ns - gap.start_ns,
            "host": spent_words(gap.spent, 2) or None,
        }
        for gap in analysis.idle_gaps
        if span is None or (gap.start_ns < span.end_ns and gap.end_ns > span.start_ns)
    ]
    table = pd.DataFrame(rows, columns=list(IDLE))
    return table.sort_values(["time_ns", "rank"], ascending=[False, True], kind="stable").reset_index(
        drop=True
    )


def _window_of(analysis: Analysis, time_ns: int) -> str:
    inside = (one for one in analysis.windows if one.name != CAPTURE and one.start_ns <= time_ns < one.end_ns)
    return next((one.name for one in inside), CAPTURE)
