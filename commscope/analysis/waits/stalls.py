"""Waits of all rows -> victim x culprit, by window, and why the culprit was late.

Row sums are the ranks' waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pandas as pd

from commscope.analysis.result import Stall
from commscope.analysis.waits.causes import Cell
from commscope.schema import CAPTURE

_LEAST_SHARE = 0.05  # of a stall: causes below it are not worth a word
_WORDS = {"wait": "waiting for others", "host_bound": "host-bound time", "idle": "idle time"}


def stalls_of(instances: pd.DataFrame, causes: Mapping[Cell, Mapping[str, int]]) -> tuple[Stall, ...]:
    """Who waited for whom: one row a window, victim and culprit; the window `capture` holds all waits."""
    waited = instances[instances["wait_ns"].fillna(0) > 0]
    rows = []
    steps = waited[waited["window"] != CAPTURE]
    for window, part in [(CAPTURE, waited), *_by_window(steps)]:
        sums = part.groupby(["rank", "culprit"], sort=True)["wait_ns"].sum()
        for victim, culprit, wait_ns in sums.reset_index().itertuples(index=False):
            cell = (window, int(victim), int(culprit))
            rows.append(Stall(*cell, wait_ns=int(wait_ns), causes_ns=causes.get(cell, {})))
    return tuple(rows)


def cause_words(stalls: Iterable[Stall], *, most: int | None = None) -> str:
    """What the culprits of some stalls spent more on, `compute 68 %, idle time 32 %`; empty: not told."""
    total: Counter[str] = Counter()
    for stall in stalls:
        total.update(stall.causes_ns)
    shares = [(cause, ns / total.total()) for cause, ns in total.most_common()]
    told = [(cause, share) for cause, share in shares if share >= _LEAST_SHARE]
    return ", ".join(f"{_WORDS.get(cause, cause)} {round(100 * share)} %" for cause, share in told[:most])


def _by_window(steps: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(window), part) for window, part in steps.groupby("window", sort=False)]
