"""What each thread of a rank without devices computed when: takes events and their attribution, gives flat
pieces.

Operators nest; at every instant the innermost one that counts as compute says phase and layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.attribution import Attribution, Busy
from commscope.trace import Events, Int64


@dataclass(frozen=True, slots=True)
class Work:
    """Disjoint pieces of compute on one thread, in order."""

    start_ns: Int64
    end_ns: Int64
    phase: Int64
    layer: Int64


def thread_work(events: Events, attribution: Attribution, lane: int) -> Work:
    """The compute of one thread."""
    rows = np.flatnonzero((attribution.busy == Busy.COMPUTE) & (events.lane_id == lane))
    pieces = _flattened(events.start_ns[rows].tolist(), events.end_ns[rows].tolist())
    columns = np.array(pieces, dtype=np.int64).reshape(-1, 3).T
    chosen = rows[columns[2]]
    return Work(
        columns[0],
        columns[1],
        attribution.phase[chosen].astype(np.int64),
        attribution.layer[chosen].astype(np.int64),
    )


def _flattened(starts: list[int], ends: list[int]) -> list[tuple[int, int, int]]:
    """Pieces (start, end, index of the innermost span) of spans sorted by (start, -end)."""
    pieces: list[tuple[int, int, int]] = []
    stack: list[int] = []
    at = 0

    def advance(time: int) -> None:
        nonlocal at
        if stack and time > at:
            pieces.append((at, time, stack[-1]))
        at = max(at, time)

    for index, start in enumerate(starts):
        while stack and ends[stack[-1]] <= start:
            advance(ends[stack[-1]])
            stack.pop()
        advance(start)
        stack.append(index)
    while stack:
        advance(ends[stack[-1]])
        stack.pop()
    return pieces
