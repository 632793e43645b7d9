"""When collectives would be under a scenario: Analysis and Scenario -> their times on the common clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.critical_path import run_graph
from commscope.analysis.result import Analysis
from commscope.whatif.refusals import refuse_unreplayable
from commscope.whatif.replay import replayed
from commscope.whatif.scenario import Scenario
from commscope.whatif.weights import new_weights


@dataclass(frozen=True, slots=True)
class Replayed:
    """A collective of a rank as it would be."""

    rank: int
    collective: str
    instance: int | None
    start_ns: int
    end_ns: int


def replayed_collectives(analysis: Analysis, scenario: Scenario) -> tuple[Replayed, ...]:
    """Every collective that the graph holds. Raises as `replay_all` does where nothing can be replayed."""
    refuse_unreplayable(analysis, scenario)
    graph = run_graph(analysis.skeletons, analysis.instances, analysis.clock)
    table = analysis.instances.reset_index(drop=True)
    times = replayed(graph, new_weights(graph, table, scenario))
    held = np.flatnonzero((graph.begin >= 0) & (graph.finish >= 0))
    number = table["instance"].to_numpy(np.int64, na_value=-1)
    return tuple(
        Replayed(
            rank=int(table["rank"].iloc[row]),
            collective=str(table["collective"].iloc[row]),
            instance=int(number[row]) if number[row] >= 0 else None,
            start_ns=int(times[graph.begin[row]]),
            end_ns=int(times[graph.finish[row]]),
        )
        for row in held.tolist()
    )
