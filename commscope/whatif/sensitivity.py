"""What halving each kind of time would give: takes Analysis, gives the saved share of a window per kind.

The graph is replayed with all time of one kind halved, as `--scale KIND=0.5` does.
"""

from __future__ import annotations

from commscope.analysis.critical_path import run_graph
from commscope.analysis.result import Analysis
from commscope.analysis.skeleton import KINDS
from commscope.whatif.replay import spans_with
from commscope.whatif.scenario import Scale, Scenario
from commscope.whatif.weights import new_weights

HALF = 0.5


def halving_gains(analysis: Analysis, window: str) -> dict[str, float]:
    """For each kind of time the share of a window's time that halving it saves, 0 to 0.5.

    Empty where nothing can be replayed: no rank has a graph, or the captures have no moment in common.
    """
    if not analysis.critical_paths or not analysis.skeletons:
        return {}
    graph = run_graph(analysis.skeletons, analysis.instances, analysis.clock)
    table = analysis.instances.reset_index(drop=True)
    gains = {}
    for kind in KINDS:
        weight = new_weights(graph, table, Scenario(scales=(Scale(kind, HALF),)))
        before, after = (
            next((one.span_ns for one in spans if one.name == window), 0)
            for spans in spans_with(graph, weight, analysis.windows)
        )
        if before:
            gains[kind] = 1 - after / before
    return gains
