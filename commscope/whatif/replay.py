"""Replays a run under a scenario: takes an Analysis and a Scenario, gives the new step time and what
becomes critical.

Every node happens at the latest of (time of source + weight) over its in-edges; a rank's first record stays
where it was. Unchanged weights reproduce every recorded time exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as changed

import numpy as np

from commscope.analysis.critical_path import RunGraph, paths_of, run_graph
from commscope.analysis.result import Analysis, CriticalPath, Window
from commscope.errors import IncompleteTrace, UsageProblem
from commscope.trace import Int64
from commscope.whatif.scenario import Scenario
from commscope.whatif.weights import new_weights


@dataclass(frozen=True, slots=True)
class Outcome:
    """One window before and after."""

    window: str
    before_ns: int
    after_ns: int
    before: CriticalPath
    after: CriticalPath

    @property
    def ratio(self) -> float:
        """New time over old time."""
        return self.after_ns / self.before_ns

    @property
    def becomes_critical(self) -> str:
        """The kind of time that the new path consists of most."""
        return max(self.after.by_kind_ns, key=lambda kind: self.after.by_kind_ns[kind], default="idle")


def replay(analysis: Analysis, scenario: Scenario, window: str) -> Outcome:
    """One window of a run under a scenario. Raises UsageProblem for a window the run does not have."""
    for outcome in replay_all(analysis, scenario):
        if outcome.window == window:
            return outcome
    names = ", ".join(w.name for w in analysis.windows)
    raise UsageProblem(
        f"no window {window!r} to replay", where=str(analysis.run.path), hint=f"this run has {names}"
    )


def replay_all(analysis: Analysis, scenario: Scenario) -> tuple[Outcome, ...]:
    """Every window of a run under a scenario. Raises IncompleteTrace where no rank has a graph."""
    if not analysis.skeletons:
        raise IncompleteTrace(
            "nothing to replay: no rank of this run has a happens-before graph",
            where=str(analysis.run.path),
            hint="analyze the traces themselves; a saved analysis does not hold the graph",
        )
    graph = run_graph(analysis.skeletons, analysis.instances, analysis.clock)
    table = analysis.instances.reset_index(drop=True)
    weight = new_weights(graph, table, scenario)
    after = changed(graph, weight_ns=weight, time_ns=replayed(graph, weight))
    windows = [window for window in analysis.windows if window.name in graph.marks]
    before = {path.window: path for path in paths_of(graph, _spans(graph, windows))}
    return tuple(
        Outcome(path.window, before[path.window].length_ns, path.length_ns, before[path.window], path)
        for path in paths_of(after, _spans(after, windows))
        if path.window in before
    )


def replayed(graph: RunGraph, weight_ns: Int64) -> Int64:
    """New time of every node; nodes without in-edges stay where they are."""
    time, source, weight = graph.time_ns.tolist(), graph.source.tolist(), weight_ns.tolist()
    first = graph.first_edge.tolist()
    for node in range(len(time)):
        low, high = first[node], first[node + 1]
        if high - low == 1:
            time[node] = time[source[low]] + weight[low]
        elif low < high:
            time[node] = max(time[source[edge]] + weight[edge] for edge in range(low, high))
    return np.array(time, dtype=np.int64)


def _spans(graph: RunGraph, windows: Sequence[Window]) -> list[Window]:
    """The windows as the graph's times have them: earliest start to latest end over the ranks."""
    spans = []
    for window in windows:
        marks = graph.marks[window.name]
        start = min(int(graph.time_ns[node]) for _, node, _ in marks)
        end = max(int(graph.time_ns[node]) for _, _, node in marks)
        spans.append(Window(window.name, start, max(start, end), window.step))
    return spans
