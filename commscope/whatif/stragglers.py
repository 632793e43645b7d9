"""How much shorter a run's own work is without stragglers: takes a RunGraph and the joined instances, gives
a factor for every edge.

A stretch is a rank's own time up to its start of a matched instance, or behind its last one; in it the
longest way counts, once by its work (compute, copies) and once by everything else. Each is measured against
the median of the other ranks in the same stretch (of two ranks: against the other). A rank that is slower
throughout, by a tenth and beyond its scatter, is made as quick as they are, its scatter kept. A stretch
that then still stands out by a tenth and by three times the rank's usual scatter takes as long as theirs.
All else is noise that a run without stragglers has too, and stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from commscope.analysis.critical_path import RunGraph
from commscope.trace import Int64, Mask

Float64 = npt.NDArray[np.float64]

WORK = ("compute", "copy")
WORTH = 1.1  # less is no straggling
SIGMAS = 3.0
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Own time in ns, stretches x ranks, NaN where a rank takes no part."""

    work: Float64
    rest: Float64


def without_stragglers(graph: RunGraph, table: pd.DataFrame) -> Float64:
    """What each edge's weight is to be multiplied by; 1 for transfers and what nothing can be told of."""
    factor = np.ones(len(graph.weight_ns))
    instance = np.r_[table["instance"].to_numpy(dtype=np.int64, na_value=-1), -1]
    target = np.repeat(np.arange(len(graph.time_ns)), np.diff(graph.first_edge))
    matched = (graph.stretch < 0) | (instance[graph.stretch] >= 0)
    own = np.flatnonzero((graph.row < 0) & (graph.weight_ns > 0) & matched)
    ranks = np.unique(graph.rank)
    if len(own) == 0 or len(ranks) < 2:
        return factor
    numbers = np.unique(instance)  # -1, behind the last one, comes first
    stretch = np.searchsorted(numbers, instance[graph.stretch])
    works = np.array([label.kind in WORK for label in graph.labels])[graph.label]
    rank = np.searchsorted(ranks, graph.rank[target])
    spent = _spent(graph, own, stretch, works)
    takes_part = np.zeros((len(numbers), len(ranks)), dtype=bool)
    takes_part[0] = True
    here = (instance[:-1] >= 0) & np.isin(table["rank"].to_numpy(), ranks)
    takes_part[
        np.searchsorted(numbers, instance[:-1][here]), np.searchsorted(ranks, table["rank"][here].to_numpy())
    ] = True
    for which, time in ((works, spent.work), (~works, spent.rest)):
        shorter = _factors(np.where(takes_part, time, np.nan))
        chosen = own[which[own]]
        factor[chosen] = shorter[stretch[chosen], rank[chosen]]
    return factor


def _spent(graph: RunGraph, own: Int64, stretch: Int64, works: Mask) -> _Stretches:
    """The longest way through each stretch of each rank, by work and by the rest."""
    ranks = np.unique(graph.rank)
    rank = np.searchsorted(ranks, graph.rank).tolist()
    target = np.repeat(np.arange(len(graph.time_ns)), np.diff(graph.first_edge))[own]
    shape = (int(stretch.max()) + 1, len(ranks))
    totals = [np.zeros(shape).tolist() for _ in range(2)]
    inside: list[dict[int, tuple[int, int]]] = [{}, {}]  # node -> (stretch, longest way to it)
    columns = (graph.source[own], target, graph.weight_ns[own], stretch[own], works[own])
    for a, b, weight, number, is_work in zip(*(column.tolist() for column in columns), strict=True):
        for kind, alone in enumerate((weight, 0) if is_work else (0, weight)):
            known, before = inside[kind].get(a, (number, 0))
            length = alone + (before if known == number else 0)
            if length >= inside[kind].get(b, (number, 0))[1]:
                inside[kind][b] = (number, length)
            row = totals[kind][number]
            row[rank[b]] = max(row[rank[b]], length)
    return _Stretches(np.array(totals[0]), np.array(totals[1]))


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
    """Median and scatter of a rank's time over the others', long stretches counting more, and of how many."""
    with np.errstate(invalid="ignore"):
        known = (own > 0) & (others > 0)
    if not known.any():
        return 1.0, 0.0, 0
    ratio, weight = own[known] / others[known], own[known] + others[known]
    usual = _weighted_median(ratio, weight)
    return usual, MAD_TO_SIGMA * _weighted_median(np.abs(ratio - usual), weight), len(ratio)


def _weighted_median(values: Float64, weight: Float64) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(reached, reached[-1] / 2)]])
