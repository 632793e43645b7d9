"""How many times as long a run takes as one whose ranks share alike, and whose fault that is.

S = actual / ideal; for a kind, rank or stage S is the time with all but it equalized, over the ideal: what
it alone costs (straggler analysis, OSDI 2025; see `equalize`). Takes an Analysis, gives a Slowdown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from commscope.analysis.critical_path import RunGraph, run_graph
from commscope.analysis.result import Analysis
from commscope.schema import CAPTURE, Collective, Phase, Role
from commscope.trace import Int64
from commscope.whatif.equalize import equal_factors
from commscope.whatif.refusals import refuse_unreplayable
from commscope.whatif.replay import spans_with
from commscope.whatif.scenario import Scenario
from commscope.whatif.stretches import targets

Float64 = npt.NDArray[np.float64]

MOST_RANKS = 32  # with an S of their own: those that have most to share


@dataclass(frozen=True, slots=True)
class Slowdown:
    """S of the whole, of each kind of op, of the ranks with most to share, and of each pipeline stage."""

    ratio: float
    by_kind: dict[str, float]
    by_rank: dict[int, float]
    by_stage: dict[int, float]  # empty without a pipeline


def slowdown(analysis: Analysis, what: str) -> Slowdown:
    """S of a run; `what` is one of EQUALIZED. Raises as `replay_all` does."""
    refuse_unreplayable(analysis, Scenario(equalize=what))
    graph = run_graph(analysis.skeletons, analysis.instances, analysis.clock)
    table = analysis.instances.reset_index(drop=True)
    factors = equal_factors(graph, table, what)
    whole = np.prod(list(factors.values()), axis=0)
    rank = graph.rank[targets(graph)]
    stage = stages_of(table)
    staged = np.array([stage.get(one, -1) for one in rank.tolist()])

    def took_ns(factor: Float64) -> int:
        return _took_ns(analysis, graph, factor)

    ideal = max(1, took_ns(whole))
    return Slowdown(
        ratio=took_ns(np.ones(len(whole))) / ideal,
        by_kind={kind: took_ns(whole / factor) / ideal for kind, factor in factors.items()},
        by_rank={
            one: took_ns(np.where(rank == one, 1, whole)) / ideal for one in _sharing(graph, whole, rank)
        },
        by_stage={
            one: took_ns(np.where(staged == one, 1, whole)) / ideal for one in sorted(set(stage.values()))
        },
    )


def _took_ns(analysis: Analysis, graph: RunGraph, factor: Float64) -> int:
    """All steps with other weights, the capture where none are marked."""
    moved = np.rint(graph.weight_ns * factor).astype(np.int64)
    weight = np.where(graph.weight_ns > 0, moved, graph.weight_ns)
    _, spans = spans_with(graph, weight, analysis.windows)
    steps = [one.span_ns for one in spans if one.name != CAPTURE]
    return sum(steps) if steps else max((one.span_ns for one in spans), default=0)


def _sharing(graph: RunGraph, factor: Float64, rank: Int64) -> list[int]:
    """The ranks with most time above the mean, in order."""
    ranks, place = np.unique(rank, return_inverse=True)
    above = np.bincount(place, np.maximum(graph.weight_ns * (1 - factor), 0), len(ranks))
    return sorted(ranks[np.argsort(-above, kind="stable")[:MOST_RANKS]].tolist())


def stages_of(table: pd.DataFrame) -> dict[int, int]:
    """The pipeline stage of each rank: how many stages send to it forward. Empty without a pipeline."""
    sends = (table["collective"] == Collective.SEND) & (table["role"] == Role.PP)
    sends &= (table["phase"] == Phase.FORWARD) & table["peer"].notna()
    ways = set(zip(table["rank"][sends].tolist(), table["peer"][sends].astype(int).tolist(), strict=True))
    stage = dict.fromkeys((rank for way in ways for rank in way), 0)
    for _ in stage:
        later = {b: max([stage[b], *(stage[a] + 1 for a, c in ways if c == b)]) for b in stage}
        if later == stage:
            return stage
        stage = later
    return {}  # ranks that send in a ring are no stages
