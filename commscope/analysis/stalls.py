"""Waits of all rows -> victim x culprit, by window. Row sums are the ranks' waits."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from commscope.analysis.result import Stall
from commscope.schema import CAPTURE

Cell = tuple[str, int, int]


def stalls_of(instances: pd.DataFrame, causes: Mapping[Cell, str]) -> tuple[Stall, ...]:
    """Who waited for whom: one row a window, victim and culprit; the window `capture` holds all waits."""
    waited = instances[instances["wait_ns"].fillna(0) > 0]
    rows = []
    steps = waited[waited["window"] != CAPTURE]
    for window, part in [(CAPTURE, waited), *_by_window(steps)]:
        sums = part.groupby(["rank", "culprit"], sort=True)["wait_ns"].sum()
        for victim, culprit, wait_ns in sums.reset_index().itertuples(index=False):
            cell = (window, int(victim), int(culprit))
            rows.append(Stall(*cell, wait_ns=int(wait_ns), cause=causes.get(cell)))
    return tuple(rows)


def _by_window(steps: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(window), part) for window, part in steps.groupby("window", sort=False)]
