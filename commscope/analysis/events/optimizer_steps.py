"""When an optimizer really steps.

Takes the spans of optimizers and the backward nodes, gives the spans in which no closure ran. LBFGS and
Lightning run forward and backward inside `optimizer.step(closure)`: what lies before the last backward node
in there is the closure's, but for what follows a backward node and goes before the next `zero_grad`.
"""

from __future__ import annotations

import numpy as np

from commscope.analysis.events.nesting import Spans, spans_of
from commscope.analysis.names import where_match
from commscope.readers.names.phases import OPTIMIZER_ZERO_GRAD
from commscope.trace import Events, Int64


def optimizer_spans(events: Events, optimizers: Int64, nodes: Int64) -> Spans:
    """Spans on their own threads; `optimizers` and `nodes` (of any thread) are rows, sorted by start."""
    zeroing = where_match(events, OPTIMIZER_ZERO_GRAD)[optimizers]
    zero_ns = events.start_ns[optimizers[zeroing]]
    found = [
        (start, end, row)
        for row in optimizers.tolist()
        for start, end in _without_closures(events, row, nodes, zero_ns)
    ]
    if not found:
        return spans_of(events, optimizers[:0])
    start_ns, end_ns, rows = (np.array(column, np.int64) for column in zip(*found, strict=True))
    return Spans(start_ns, end_ns, events.lane_id[rows].astype(np.int64))


def _without_closures(events: Events, row: int, nodes: Int64, zero_ns: Int64) -> list[tuple[int, int]]:
    start, end = int(events.start_ns[row]), int(events.end_ns[row])
    inside = nodes[slice(*np.searchsorted(events.start_ns[nodes], (start, end)))]
    inside = inside[events.end_ns[inside] <= end]
    if not len(inside):
        return [(start, end)]
    begun, done = events.start_ns[inside], np.maximum.accumulate(events.end_ns[inside])
    again = zero_ns[slice(*np.searchsorted(zero_ns, (start + 1, end)))]
    before = np.searchsorted(begun, again) - 1
    between = {int(done[at]): int(zero) for at, zero in zip(before, again, strict=True) if at >= 0}
    last = int(done[-1])
    return [*((a, b) for a, b in between.items() if a < b and a != last), (last, end)]
