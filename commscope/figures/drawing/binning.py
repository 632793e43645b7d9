"""Parts of a timeline on the pixel grid: labelled spans of lanes -> few spans that look the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commscope.trace import Int64

_COARSEST = 16


@dataclass(frozen=True, slots=True)
class Spans:
    """Labelled spans on lanes, disjoint on a lane; `code` indexes labels that the caller keeps."""

    lane: Int64
    start_ns: Int64
    end_ns: Int64
    code: Int64

    def __len__(self) -> int:
        return len(self.lane)


def spans(rows: Sequence[tuple[int, int, int, int]]) -> Spans:
    """Spans from (lane, start_ns, end_ns, code) rows."""
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 4)
    return Spans(table[:, 0], table[:, 1], table[:, 2], table[:, 3])


def joined(parts: Sequence[Spans]) -> Spans:
    """All of them as one."""
    columns = [(part.lane, part.start_ns, part.end_ns, part.code) for part in parts]
    return Spans(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def fit(parts: Spans, *, start_ns: int, end_ns: int, budget: int) -> tuple[Spans, int | None]:
    """Parts within [start, end), and the bin width used; at most `budget` parts.

    Few enough parts stay exact (bin width None). Otherwise the window is cut into bins, each bin of a lane
    takes the label that fills most of it, and equal neighbours are joined; bins are halved until that fits.
    """
    cut = _cut(parts, start_ns, end_ns)
    if len(cut) <= budget:
        return cut, None
    bins = 1 << max(_COARSEST, budget).bit_length()
    edges = np.linspace(start_ns, end_ns, bins + 1).astype(np.int64)
    filled = _filled(cut, edges)
    while True:
        fitted = _joined(filled, edges)
        if len(fitted) <= budget or len(edges) <= _COARSEST + 1:
            return fitted, -(-(end_ns - start_ns) // (len(edges) - 1))
        filled = {lane: (times[:, ::2] + times[:, 1::2]) for lane, times in filled.items()}
        edges = edges[::2]


def _cut(parts: Spans, start_ns: int, end_ns: int) -> Spans:
    inside = (parts.start_ns < end_ns) & (parts.end_ns > start_ns)
    return Spans(
        parts.lane[inside],
        np.maximum(parts.start_ns[inside], start_ns),
        np.minimum(parts.end_ns[inside], end_ns),
        parts.code[inside],
    )


def _filled(parts: Spans, edges: Int64) -> dict[int, Int64]:
    """For each lane, time by label (0: nothing, then the codes) and bin."""
    codes = int(parts.code.max()) + 1
    order = np.argsort(parts.lane, kind="stable")
    lanes, firsts = np.unique(parts.lane[order], return_index=True)
    filled = {}
    for lane, rows in zip(lanes.tolist(), np.split(order, firsts[1:]), strict=True):
        times = np.zeros((codes + 1, len(edges) - 1), dtype=np.int64)
        code, start_ns, end_ns = parts.code[rows], parts.start_ns[rows], parts.end_ns[rows]
        for label in np.unique(code).tolist():
            mine = code == label
            times[label + 1] = np.diff(covered_until(start_ns[mine], end_ns[mine], edges))
        times[0] = np.diff(edges) - times.sum(axis=0)
        filled[lane] = times
    return filled


def _joined(filled: dict[int, Int64], edges: Int64) -> Spans:
    """The label that fills most of each bin, as runs of equal bins."""
    pieces = []
    for lane, times in filled.items():
        best = times.argmax(axis=0) - 1
        turns = np.flatnonzero(np.diff(best)) + 1
        firsts, lasts = np.concatenate(([0], turns)), np.concatenate((turns, [len(best)]))
        kept = best[firsts] >= 0
        firsts, lasts = firsts[kept], lasts[kept]
        pieces.append((np.full(len(firsts), lane), edges[firsts], edges[lasts], best[firsts]))
    return Spans(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))


def covered_until(start_ns: Int64, end_ns: Int64, edges: Int64) -> Int64:
    """Time covered by disjoint spans before each edge."""
    starts, ends = np.sort(start_ns), np.sort(end_ns)
    total_start = np.concatenate(([0], np.cumsum(starts)))
    total_end = np.concatenate(([0], np.cumsum(ends)))
    begun, done = np.searchsorted(starts, edges), np.searchsorted(ends, edges)
    covered: Int64 = edges * (begun - done) - total_start[begun] + total_end[done]
    return covered
