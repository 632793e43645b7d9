"""Kernels of all ranks by time, and those that are slower beside communication.

Slower is told with an interval: the ratio of the mean time beside communication to the mean time alone, and
what it may be by the scatter of both (delta method, 95 %). Kernels of several shapes under one name are not
compared: only where a shape was recorded is one kernel the same work.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from commscope.analysis.result import Analysis

FEWEST = 8  # of each kind
Z = 1.96
SLOWED = (
    "name",
    "shape",
    "alone_count",
    "beside_count",
    "alone_ns",
    "beside_ns",
    "ratio",
    "low",
    "high",
    "lost_ns",
)


def kernels(analysis: Analysis) -> pd.DataFrame:
    """Count, time and longest of each kernel and shape in the whole capture, summed over ranks."""
    if analysis.kernels.empty:
        return analysis.kernels.drop(columns="rank", errors="ignore")
    keys = ["name", "shape"]
    by_name = analysis.kernels.groupby(keys, dropna=False, sort=True)
    sums = by_name.sum(numeric_only=True).drop(columns=["rank", "longest_ns"])
    found = sums.assign(longest_ns=by_name["longest_ns"].max(), ranks=by_name["rank"].nunique()).reset_index()
    ordered = found.sort_values(["time_ns", "name"], ascending=[False, True], kind="stable")
    return ordered.assign(mean_ns=ordered["time_ns"] / ordered["count"]).reset_index(drop=True)


def slowed_kernels(analysis: Analysis) -> pd.DataFrame:
    """Kernels of one shape that took longer beside communication than alone, surely; by the time lost."""
    table = kernels(analysis)
    if table.empty:
        return pd.DataFrame(columns=list(SLOWED))
    enough = (table["alone_count"] >= FEWEST) & (table["beside_count"] >= FEWEST) & table["shape"].notna()
    table = table[enough]
    alone, beside = (_moments(table, part) for part in ("alone", "beside"))
    ratio = beside[0] / alone[0]
    doubt = Z * ratio * np.sqrt((alone[1] / alone[0]) ** 2 + (beside[1] / beside[0]) ** 2)
    found = table[["name", "shape", "alone_count", "beside_count"]].assign(
        alone_ns=alone[0],
        beside_ns=beside[0],
        ratio=ratio,
        low=ratio - doubt,
        high=ratio + doubt,
        lost_ns=(beside[0] - alone[0]) * table["beside_count"],
    )
    slowed = found[found["low"] > 1].sort_values(["lost_ns", "name"], ascending=[False, True], kind="stable")
    return slowed[list(SLOWED)].reset_index(drop=True)


def _moments(table: pd.DataFrame, part: str) -> tuple[pd.Series, pd.Series]:
    """Mean in ns and its standard error."""
    count = table[f"{part}_count"]
    mean = table[f"{part}_time_ns"] / count
    variance = (table[f"{part}_squares"] * 1e6 - count * mean**2) / (count - 1).clip(lower=1)
    return mean, (variance.clip(lower=0) / count.clip(lower=1)) ** 0.5
