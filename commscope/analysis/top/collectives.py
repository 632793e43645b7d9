"""Collectives by the time that ranks waited in them while they computed nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from commscope.analysis.intervals import EMPTY, measure_within
from commscope.analysis.naming import late_words
from commscope.analysis.result import Analysis
from commscope.analysis.summary import instances_in

COLUMNS = (
    "instance",
    "window",
    "collective",
    "phase",
    "layer",
    "role",
    "payload_bytes",
    "exposed_wait_ns",
    "wait_ns",
    "transfer_ns",
    "culprit",
    "start_ns",
    "why",
)


def late_collectives(analysis: Analysis, window: str) -> pd.DataFrame:
    """One row a matched instance: waits summed over ranks, the longest transfer, who was waited for."""
    table = instances_in(analysis, window)
    table = table[table["wait_ns"].notna() & table["instance"].notna()]
    if table.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = table.assign(exposed_wait_ns=_exposed(analysis, table))
    by_instance = rows.groupby("instance", sort=True)
    first = by_instance.first()
    found = first[["window", "collective", "phase", "layer", "role", "payload_bytes"]].assign(
        exposed_wait_ns=by_instance["exposed_wait_ns"].sum(),
        wait_ns=by_instance["wait_ns"].sum(),
        transfer_ns=by_instance["transfer_ns"].max(),
        culprit=by_instance["culprit"].first(),
        start_ns=by_instance["start_ns"].min(),
    )
    words = {one.instance: late_words(one) for one in analysis.late_arrivals}
    found = found.reset_index().assign(why=lambda one: one["instance"].map(words))
    ordered = found.sort_values(["exposed_wait_ns", "instance"], ascending=[False, True], kind="stable")
    return ordered[list(COLUMNS)].reset_index(drop=True)


def _exposed(analysis: Analysis, table: pd.DataFrame) -> np.ndarray:
    start, wait = table["start_ns"].to_numpy(np.int64), table["wait_ns"].to_numpy(np.int64)
    exposed = wait.copy()
    for rank in np.unique(table["rank"].to_numpy(np.int64)).tolist():
        here = (table["rank"] == rank).to_numpy()
        busy = analysis.compute.get(rank, EMPTY)
        exposed[here] -= measure_within(busy, start[here], start[here] + wait[here])
    return exposed
