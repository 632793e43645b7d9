"""How long everything takes if all ranks share alike: takes a RunGraph and the joined instances, gives a
factor for every edge and kind.

compute        a rank's work up to the n-th collective of a kind and size in a phase of a step takes the mean
               over the ranks that do the same
host           so do its host and launches, where they take longer: delays are no work that others must do
stage          all work of a phase of a step takes the mean over all ranks, whatever they compute: stages of
               a pipeline as long as one another
transfer       the n-th collective of a kind and size takes the mean over the ranks

As in Lin et al., Understanding Stragglers in Large Model Training Using What-if Analysis, OSDI 2025, where
an op of a kind takes its mean over workers; steps stay as they were, each with its own means.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from commscope.analysis.critical_path import RunGraph
from commscope.trace import Int64, Mask
from commscope.whatif.stretches import is_work, spent, targets

Float64 = npt.NDArray[np.float64]

EQUALIZED = ("compute", "stage", "all")
_PLACE = ["window", "phase", "collective", "group_size", "payload_bytes"]


def equal_factors(graph: RunGraph, table: pd.DataFrame, what: str) -> dict[str, Float64]:
    """What each edge's weight is to be multiplied by, by kind of what is equalized: one of EQUALIZED."""
    if what == "compute":
        return {"compute": _own(graph, table, is_work(graph))}
    if what == "stage":
        return {"stage": _stages(graph, table)}
    compute = _own(graph, table, is_work(graph))
    evened = replace(graph, weight_ns=np.rint(graph.weight_ns * compute).astype(np.int64))
    return {
        "compute": compute,
        "host": np.minimum(1, _own(graph, table, ~is_work(graph))),
        "transfer": _transfers(graph, table),
        "stage": _stages(evened, table),
    }


def _own(graph: RunGraph, table: pd.DataFrame, wanted: Mask) -> Float64:
    """Ranks' own time of some edges, by the collective it leads to."""
    ops = _ops(table)
    return _evened(graph, table, np.r_[ops + 1, 0], wanted)  # 0: behind the last collective


def _stages(graph: RunGraph, table: pd.DataFrame) -> Float64:
    """Work by the phase and step of the collective it leads to, in all."""
    phases = np.asarray(table.groupby(["window", "phase"], dropna=False, sort=True).ngroup(), dtype=np.int64)
    return _evened(graph, table, np.r_[phases + 1, 0], is_work(graph))


def _ops(table: pd.DataFrame) -> Int64:
    """A number for each row, the same for the n-th collective of a kind and size on every rank."""
    ordered = table.sort_values(["rank", "start_ns", "index"], kind="stable")
    place = ordered.groupby(["rank", *_PLACE], dropna=False, sort=False).cumcount()
    numbered = table.assign(place=place)
    ops = numbered.groupby([*_PLACE, "place"], dropna=False, sort=True).ngroup()
    return np.asarray(ops, dtype=np.int64)


def _evened(graph: RunGraph, table: pd.DataFrame, number: Int64, wanted: Mask) -> Float64:
    """The mean over ranks of what leads to rows of one number (the last: to none), over a rank's own."""
    ranks, factor = np.unique(graph.rank), np.ones(len(graph.weight_ns))
    known = np.array([label.kind != "idle" for label in graph.labels], dtype=bool)[graph.label]
    own = np.flatnonzero((graph.row < 0) & (graph.weight_ns > 0) & wanted & known)
    if not len(own):
        return factor
    stretch = np.where(graph.stretch < 0, len(table), graph.stretch)
    took = spent(graph, own, stretch, wanted).work
    time_ns = np.zeros((int(number.max()) + 1, len(ranks)))
    np.add.at(time_ns, number[: len(took)], took)
    parts = np.zeros(time_ns.shape, dtype=bool)
    parts[0] = True
    here = np.isin(table["rank"].to_numpy(), ranks)
    parts[number[:-1][here], np.searchsorted(ranks, table["rank"].to_numpy()[here])] = True
    mean = time_ns.sum(axis=1) / np.maximum(parts.sum(axis=1), 1)
    rank = np.searchsorted(ranks, graph.rank[targets(graph)[own]])
    factor[own] = _over(mean[number[stretch[own]]], time_ns[number[stretch[own]], rank])
    return factor


def _transfers(graph: RunGraph, table: pd.DataFrame) -> Float64:
    """Transfers by the kind, size and place of their collective."""
    factor, moves = np.ones(len(graph.weight_ns)), np.flatnonzero((graph.row >= 0) & (graph.weight_ns > 0))
    longest = np.zeros(len(table))
    np.maximum.at(longest, graph.row[moves], graph.weight_ns[moves])
    ops = pd.Series(_ops(table))
    mean = pd.Series(np.where(longest > 0, longest, np.nan)).groupby(ops).transform("mean").to_numpy(float)
    factor[moves] = _over(mean[graph.row[moves]], longest[graph.row[moves]])
    return factor


def _over(new: Float64, old: Float64) -> Float64:
    return np.divide(new, old, out=np.ones(len(old)), where=old > 0)
