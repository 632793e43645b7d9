"""By how much each collective could begin later without a window ending later.

Takes a RunGraph; gives for each window the slack of its matched instances.
"""

from __future__ import annotations

import numpy as np

from commscope.analysis.critical_path.run_graph import RunGraph
from commscope.analysis.result import Window
from commscope.core import core
from commscope.trace import Int64

NOT_ASKED = np.iinfo(np.int64).min


class Slacks:
    """Latest times that keep a window's end, swept backward over the window's own nodes."""

    def __init__(self, graph: RunGraph) -> None:
        count = len(graph.time_ns)
        by_source = np.argsort(graph.source, kind="stable")
        target = np.repeat(np.arange(count), np.diff(graph.first_edge))
        self._first = np.searchsorted(graph.source[by_source], np.arange(count + 1))
        self._target, self._weight_ns = target[by_source], graph.weight_ns[by_source]
        self._time_ns = graph.time_ns
        self._by_time = np.argsort(graph.time_ns, kind="stable")
        self._sorted_ns = graph.time_ns[self._by_time]
        self._latest_ns = np.full(count, NOT_ASKED)  # of the nodes at hand, for the compiled sweep
        self._gates = np.zeros(count, dtype=bool)
        self._gated: dict[int, list[int]] = {}
        for node, instance in sorted((node, instance) for instance, node in graph.gate.items()):
            self._gated.setdefault(node, []).append(instance)
            self._gates[node] = True

    def within(self, window: Window) -> dict[int, int]:
        """Slack of the matched instances that begin and end inside a window."""
        first = np.searchsorted(self._sorted_ns, window.start_ns)
        last = np.searchsorted(self._sorted_ns, window.end_ns, "right")
        nodes = np.sort(self._by_time[first:last])
        slack_ns = self._latest(nodes, window.end_ns) - self._time_ns[nodes]
        asked = self._gates[nodes]
        return {
            instance: slack
            for node, slack in zip(nodes[asked].tolist(), slack_ns[asked].tolist(), strict=True)
            for instance in self._gated[node]
        }

    def _latest(self, nodes: Int64, end_ns: int) -> Int64:
        native = core()
        if native is None:
            return self._swept(nodes, end_ns)
        found = native.latest(self._latest_ns, self._first, self._target, self._weight_ns, nodes, end_ns)
        latest: Int64 = np.frombuffer(found, dtype=np.int64)
        return latest

    def _swept(self, nodes: Int64, end_ns: int) -> Int64:
        first, last = self._first[nodes].tolist(), self._first[nodes + 1].tolist()
        latest = dict.fromkeys(nodes.tolist(), end_ns)
        for place in range(len(first) - 1, -1, -1):
            limit = end_ns
            edges = slice(first[place], last[place])
            for target, weight in zip(
                self._target[edges].tolist(), self._weight_ns[edges].tolist(), strict=True
            ):
                after = latest.get(target)
                if after is not None and after - weight < limit:
                    limit = after - weight
            latest[int(nodes[place])] = limit
        return np.fromiter(latest.values(), dtype=np.int64, count=len(nodes))
