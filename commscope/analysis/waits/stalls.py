"""Waits of all rows -> victim x culprit, by window, and why the culprit was late.

Row sums are the time in which the ranks waited: moments of several waits at once count once, so no row is
longer than the victim's span.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from commscope.analysis.result import Cause, Stall, Window
from commscope.analysis.waits.causes import Cell
from commscope.schema import CAPTURE
from commscope.trace import Int64

_LEAST_SHARE = 0.05  # of a stall: causes below it are not worth a word
_ALWAYS = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
_WORDS = {"wait": "waiting for others", "host_bound": "host-bound time", "idle": "idle time"}


def counted_once(instances: pd.DataFrame, windows: Mapping[int, Sequence[Window]]) -> pd.DataFrame:
    """The instances with waits that never overlap on a rank: the one that began first owns the moment.

    Many messages may wait at once. What lies outside the instance's own window on that rank is cut off.
    """
    once = instances.copy()
    waited = instances["wait_ns"].fillna(0).to_numpy(np.int64, copy=True)
    for rank, own in windows.items():
        spans = {window.name: (window.start_ns, window.end_ns) for window in own}
        rows = np.flatnonzero((instances["rank"] == rank).to_numpy() & (waited > 0))
        if len(rows):
            limits = np.array(
                [spans.get(name, _ALWAYS) for name in instances["window"].iloc[rows]], dtype=np.int64
            )
            start = instances["start_ns"].to_numpy(np.int64)[rows]
            waited[rows] = _owned(
                np.maximum(start, limits[:, 0]), np.minimum(start + waited[rows], limits[:, 1])
            )
    once["wait_ns"] = pd.Series(pd.array(waited, dtype="Int64"), index=once.index).where(
        once["wait_ns"].notna()
    )
    return once


def _owned(start_ns: Int64, end_ns: Int64) -> Int64:
    """How much of each interval lies behind the ends of all that began before it."""
    order = np.lexsort((end_ns, start_ns))
    ended = np.maximum.accumulate(np.r_[np.iinfo(np.int64).min, end_ns[order]])[:-1]
    owned = np.empty(len(order), dtype=np.int64)
    owned[order] = np.clip(end_ns[order] - np.maximum(start_ns[order], ended), 0, None)
    return owned


def stalls_of(
    instances: pd.DataFrame,
    causes: Mapping[Cell, Mapping[str, int]],
    named: Mapping[Cell, tuple[Cause, ...]],
) -> tuple[Stall, ...]:
    """Who waited for whom: one row a window, victim and culprit; the window `capture` holds all waits."""
    waited = instances.loc[instances["wait_ns"].fillna(0) > 0, ["window", "rank", "culprit", "wait_ns"]]
    steps = waited[waited["window"] != CAPTURE]
    every = pd.concat([waited.assign(window=CAPTURE), steps], ignore_index=True)
    code, names = pd.factorize(every["window"])
    sums = every["wait_ns"].groupby([code, every["rank"], every["culprit"]], sort=True).sum()
    cells = ((str(names[at]), int(victim), int(culprit)) for at, victim, culprit in sums.index)
    return tuple(
        Stall(*cell, int(wait_ns), causes.get(cell, {}), named.get(cell, ()))
        for cell, wait_ns in zip(cells, sums, strict=True)
    )


def cause_words(stalls: Iterable[Stall], *, most: int | None = None) -> str:
    """What the culprits of some stalls spent more on, `compute 68 %, idle time 32 %`; empty: not told."""
    total: Counter[str] = Counter()
    for stall in stalls:
        total.update(stall.causes_ns)
    shares = [(cause, ns / total.total()) for cause, ns in total.most_common()]
    told = [(cause, share) for cause, share in shares if share >= _LEAST_SHARE]
    return ", ".join(f"{_WORDS.get(cause, cause)} {round(100 * share)} %" for cause, share in told[:most])
