"""New weights of a graph under a scenario: takes RunGraph, joined instances and Scenario; gives int64 ns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from commscope.analysis.critical_path import RunGraph
from commscope.schema import Phase
from commscope.trace import Int64, Mask
from commscope.whatif.equalize import equal_factors
from commscope.whatif.network import fixed_parts
from commscope.whatif.scenario import Scale, Scenario
from commscope.whatif.stragglers import without_stragglers
from commscope.whatif.stretches import targets

Float64 = npt.NDArray[np.float64]


def new_weights(graph: RunGraph, table: pd.DataFrame, scenario: Scenario) -> Int64:
    """The weight of every edge under the scenario; negative ones only repair clocks and stay."""
    if scenario.changes_nothing:
        return graph.weight_ns
    waited = _waited(graph, table)
    weight = graph.weight_ns.astype(np.float64) - waited
    moves = graph.row >= 0
    weight[moves] = _transfers(graph, table, scenario)[moves]
    if scenario.no_stragglers:
        weight *= without_stragglers(graph, table)
    if scenario.stragglers:
        own = np.isin(graph.rank[targets(graph)], scenario.stragglers)
        weight *= np.where(own, without_stragglers(graph, table), 1.0)
    if scenario.equalize is not None:
        weight *= np.prod(list(equal_factors(graph, table, scenario.equalize).values()), axis=0)
    for scale in scenario.scales:
        weight[_meant(graph, scale)] *= scale.factor
    return np.where(graph.weight_ns > 0, np.rint(weight) + waited, graph.weight_ns).astype(np.int64)


def _waited(graph: RunGraph, table: pd.DataFrame) -> Int64:
    """What is known to be waiting of communication that nothing ties to others: no network shortens it."""
    alone = table["instance"].isna().to_numpy(dtype=bool)
    known = table["least_wait_ns"].to_numpy(dtype=np.int64, na_value=0)
    least = np.append(np.where(alone, known, 0), 0)
    return np.clip(np.where(graph.row >= 0, least[graph.row], 0), 0, np.maximum(graph.weight_ns, 0))


def _transfers(graph: RunGraph, table: pd.DataFrame, scenario: Scenario) -> Float64:
    if scenario.comm_free:
        return np.zeros(len(graph.weight_ns))
    longest = np.zeros(len(table), dtype=np.int64)
    moves = graph.row >= 0
    np.maximum.at(longest, graph.row[moves], graph.weight_ns[moves])
    fixed = fixed_parts(table, longest)[graph.row] if len(table) else np.zeros(len(graph.row))
    total = graph.weight_ns.astype(np.float64) - _waited(graph, table)
    fixed = np.minimum(fixed, np.maximum(total, 0))
    return fixed * scenario.latency + (total - fixed) / scenario.bandwidth


def _meant(graph: RunGraph, scale: Scale) -> Mask:
    """Edges a scale speaks of; an edge's rank is its target's."""
    labels = np.array(
        [_speaks_of(scale.what, label.kind, label.phase, label.collective) for label in graph.labels]
    )
    meant: Mask = labels.astype(bool)[graph.label]
    if scale.rank is not None:
        meant &= graph.rank[targets(graph)] == scale.rank
    return meant


def _speaks_of(what: str, kind: str, phase: str | None, collective: str | None) -> bool:
    if what in tuple(Phase):
        return phase == what and kind != "transfer"
    return what in {kind, collective}
