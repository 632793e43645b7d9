"""How much shorter a run's own work is without stragglers: takes a RunGraph and the joined instances, gives
a factor for every edge.

Each stretch up to a matched instance is measured against the median of the other ranks in the same one (of
two ranks: against the other), once by its work and once by everything else. A rank that is slower
throughout, by a tenth and beyond its scatter, is made as quick as they are, its scatter kept. A stretch
that then still stands out by a tenth and by three times the rank's usual scatter takes as long as theirs.
All else is noise that a run without stragglers has too, and stays.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from commscope.analysis.critical_path import RunGraph
from commscope.whatif.stretches import is_work, spent, targets

Float64 = npt.NDArray[np.float64]

WORTH = 1.1  # less is no straggling
SIGMAS = 3.0
MAD_TO_SIGMA = 1.4826


def without_stragglers(graph: RunGraph, table: pd.DataFrame) -> Float64:
    """What each edge's weight is to be multiplied by; 1 for transfers and what nothing can be told of."""
    factor = np.ones(len(graph.weight_ns))
    instance = np.r_[table["instance"].to_numpy(dtype=np.int64, na_value=-1), -1]
    matched = (graph.stretch < 0) | (instance[graph.stretch] >= 0)
    own = np.flatnonzero((graph.row < 0) & (graph.weight_ns > 0) & matched)
    ranks = np.unique(graph.rank)
    if len(own) == 0 or len(ranks) < 2:
        return factor
    numbers = np.unique(instance)  # -1, behind the last one, comes first
    stretch = np.searchsorted(numbers, instance[graph.stretch])
    works = is_work(graph)
    rank = np.searchsorted(ranks, graph.rank[targets(graph)])
    took = spent(graph, own, stretch, works)
    takes_part = np.zeros((len(numbers), len(ranks)), dtype=bool)
    takes_part[0] = True
    here = (instance[:-1] >= 0) & np.isin(table["rank"].to_numpy(), ranks)
    takes_part[
        np.searchsorted(numbers, instance[:-1][here]), np.searchsorted(ranks, table["rank"][here].to_numpy())
    ] = True
    for which, time in ((works, took.work), (~works, took.rest)):
        shorter = _factors(np.where(takes_part, time, np.nan))
        chosen = own[which[own]]
        factor[chosen] = shorter[stretch[chosen], rank[chosen]]
    return factor


def _factors(time_ns: Float64) -> Float64:
    """New over old time of every stretch (rows) and rank (columns)."""
    others = _others(time_ns)
    steady = np.ones(time_ns.shape[1])
    for rank in range(len(steady)):
        usual, scatter, count = _usual(time_ns[:, rank], others[:, rank])
        if usual > max(WORTH, 1 + SIGMAS * scatter / np.sqrt(max(count, 1))):
            steady[rank] = 1 / usual
    evened = time_ns * steady
    others = _others(evened)
    factors = np.broadcast_to(steady, time_ns.shape).copy()
    for rank in range(len(steady)):
        usual, scatter, _ = _usual(evened[:, rank], others[:, rank])
        limit = max(WORTH, max(usual, 1.0) + SIGMAS * scatter)
        with np.errstate(invalid="ignore"):
            late = evened[:, rank] > limit * others[:, rank]
        factors[late, rank] *= others[late, rank] / evened[late, rank]
    return factors


def _others(time_ns: Float64) -> Float64:
    """For each rank the median of the other ranks that take part, NaN where there are none."""
    result = np.full(time_ns.shape, np.nan)
    for rank in range(time_ns.shape[1]):
        rest = np.delete(time_ns, rank, axis=1)
        known = ~np.isnan(rest).all(axis=1)
        result[known, rank] = np.nanmedian(rest[known], axis=1)
    return result


def _usual(own: Float64, others: Float64) -> tuple[float, float, int]:
    """Median and scatter of a rank's time over the others', and of how many stretches.

    Long stretches count more, by the shorter of the two: single long delays are not what is usual.
    """
    with np.errstate(invalid="ignore"):
        known = (own > 0) & (others > 0)
    if not known.any():
        return 1.0, 0.0, 0
    ratio, weight = own[known] / others[known], np.minimum(own[known], others[known])
    usual = _weighted_median(ratio, weight)
    return usual, MAD_TO_SIGMA * _weighted_median(np.abs(ratio - usual), weight), len(ratio)


def _weighted_median(values: Float64, weight: Float64) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(reached, reached[-1] / 2)]])
