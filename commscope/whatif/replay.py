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
from commscope.errors import UsageProblem
from commscope.trace import Int64
from commscope.whatif.refusals import refuse_unreplayable
from commscope.whatif.scenario import Scenario
from commscope.whatif.spans import lasting_spans, spans_of
from commscope.whatif.weights import new_weights

Spans = tuple[Window, ...]


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
    """Every window of a run under a scenario, the capture first.

    Raises IncompleteTrace where the run does not tell what would happen, UsageProblem for a rank it has not.
    """
    refuse_unreplayable(analysis, scenario)
    graph = run_graph(analysis.skeletons, analysis.instances, analysis.clock)
    weight = new_weights(graph, analysis.instances.reset_index(drop=True), scenario)
    return outcomes_of(graph, weight, analysis.windows)


def outcomes_of(graph: RunGraph, weight_ns: Int64, windows: Sequence[Window]) -> tuple[Outcome, ...]:
    """Every window of a graph with other weights."""
    after = _with_weights(graph, weight_ns)
    recorded, spans = _spans(graph, after, windows)
    new = {path.window: path for path in paths_of(after, spans)}
    return tuple(
        Outcome(old.window, old.length_ns, path.length_ns, old, path)
        for old in paths_of(graph, recorded)
        for path in [new.get(old.window, _nothing(old.window))]
    )


def spans_with(graph: RunGraph, weight_ns: Int64, windows: Sequence[Window]) -> tuple[Spans, Spans]:
    """The windows as recorded and with other weights, without their paths."""
    return _spans(graph, _with_weights(graph, weight_ns), windows)


def _with_weights(graph: RunGraph, weight_ns: Int64) -> RunGraph:
    return changed(graph, weight_ns=weight_ns, time_ns=replayed(graph, weight_ns))


def _spans(before: RunGraph, after: RunGraph, windows: Sequence[Window]) -> tuple[Spans, Spans]:
    shortens = bool((after.weight_ns <= before.weight_ns).all())
    new = lasting_spans(before, after, windows) if shortens else spans_of(after, windows)
    return spans_of(before, windows), new


def _nothing(window: str) -> CriticalPath:
    """The path of a window that takes no time any more."""
    return CriticalPath(window, 0, (), {}, {}, {}, {}, 0, 0, {})


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
