"""Reduces one rank to the happens-before graph between its collectives.

Takes a RankTrace, its Attribution and its collective instances; gives a Skeleton of size O(collectives):
start, end and issue of each collective, the last work launched before it, and the marks of windows. Its
times replay exactly: for every node, time = max over its in-edges (time of source + weight). Segment kinds:

compute, copy   a kernel or operator; a memcpy or memset
transfer        communication on this rank, waiting included (`graph` splits it where it is matched)
host            the launching thread on its way from one call to the next (gloo: outside operators)
latency         between cause and effect: launch to kernel, worker hand-over, wake-up after a wait
idle            nothing recorded explains the time, as where a device stands longer than a hand-over takes

How the graph is made is said in skeleton_gpu and skeleton_gloo; what replays in fine and reduction.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from commscope.analysis.attribution import Attribution
from commscope.analysis.result import Skeleton, Window
from commscope.analysis.skeleton.gloo import host_graph
from commscope.analysis.skeleton.gpu import device_graph
from commscope.analysis.skeleton.reduction import reduce_graph
from commscope.schema import CAPTURE
from commscope.trace import RankTrace


def build_skeleton(
    trace: RankTrace,
    attribution: Attribution,
    instances: pd.DataFrame,
    windows: Sequence[Window] | None = None,
) -> Skeleton | None:
    """The skeleton of one rank, or None where the trace holds nothing that takes time.

    `windows` are marked in it, the capture first; without them the capture is the extent of all work.
    """
    if windows is None:
        windows = (*_capture(attribution), *attribution.windows)
    windows = [window for window in windows if window.span_ns > 0]
    if not windows or not (len(attribution.instance_rows) or attribution.busy.any()):
        return None
    graph = device_graph if trace.events.on_device().any() else host_graph
    return reduce_graph(graph(trace, attribution, instances, windows), trace.rank)


def _capture(attribution: Attribution) -> tuple[Window, ...]:
    """From the first to the last thing the rank did, if it did any."""
    sets = [x for x in (attribution.compute, attribution.communication, attribution.copy) if len(x.start_ns)]
    if not sets:
        return ()
    return (Window(CAPTURE, min(int(x.start_ns[0]) for x in sets), max(int(x.end_ns[-1]) for x in sets)),)
