"""Disjoint pieces of time and what each was: columns of numbers, cut and chosen together."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from commscope.analysis.events import NONE
from commscope.analysis.intervals import holds
from commscope.analysis.result import Intervals
from commscope.trace import Int64, Mask

KINDS = ("compute", "copy", "host_bound", "idle", "host")
Column = npt.NDArray[np.integer[Any]] | int
COMPUTE, COPY, HOST_BOUND, IDLE, HOST = range(len(KINDS))


@dataclass(frozen=True, slots=True)
class Pieces:
    """Columns of one length, in order of time; names are indices into Events.names, -1 for none."""

    start_ns: Int64
    end_ns: Int64
    kind: Int64  # index into KINDS
    name: Int64
    call: Int64  # the runtime call that took half of it
    before: Int64  # of time without an operator: the operators around it
    after: Int64
    is_python: Int64  # 0 | 1
    phase: Int64
    layer: Int64
    lane: Int64

    def __len__(self) -> int:
        return len(self.start_ns)

    def at(self, chosen: Int64 | Mask) -> Pieces:
        """Some of the pieces."""
        return Pieces(*(getattr(self, name)[chosen] for name in _COLUMNS))

    def but(self, **columns: Column) -> Pieces:
        """The same pieces, some columns set."""
        shape = (len(self),)
        told = {name: np.broadcast_to(np.asarray(one, np.int64), shape) for name, one in columns.items()}
        return replace(self, **told)

    def cut(self, borders_ns: Int64) -> Pieces:
        """The pieces, cut at the borders inside them; `borders_ns` is sorted."""
        first = np.searchsorted(borders_ns, self.start_ns, "right")
        cuts = np.searchsorted(borders_ns, self.end_ns, "left") - first
        if not cuts.any():
            return self
        piece = np.repeat(np.arange(len(self)), cuts + 1)
        place = np.arange(len(piece)) - np.repeat(np.cumsum(cuts + 1) - cuts - 1, cuts + 1)
        border = first[piece] + place
        inner = np.r_[borders_ns, 0]
        start = np.where(place > 0, inner[border - 1], self.start_ns[piece])
        end = np.where(place < cuts[piece], inner[border], self.end_ns[piece])
        return self.at(piece).but(start_ns=start, end_ns=end)

    def within(self, spans: Intervals) -> Pieces:
        """The parts of the pieces that lie in some spans."""
        parts = self.cut(np.sort(np.concatenate((spans.start_ns, spans.end_ns))))
        return parts.at(holds(spans, parts.start_ns))


_COLUMNS = tuple(one.name for one in fields(Pieces))


def pieces(start_ns: Int64, end_ns: Int64, **columns: Column) -> Pieces:
    """Pieces of which only some columns are known; the others say nothing."""
    count = len(start_ns)
    none = np.full(count, NONE)
    blank = Pieces(start_ns, end_ns, *(none for _ in range(9)))
    return blank.but(is_python=0, **columns)


def joined(*parts: Pieces) -> Pieces:
    """Several pieces as one, in order of time."""
    whole = Pieces(*(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS))
    return whole.at(np.argsort(whole.start_ns, kind="stable"))


def first_owns(start_ns: Int64, end_ns: Int64) -> tuple[Int64, Int64]:
    """Where spans in order of start overlap the first owns the time: which are left, and from when."""
    ended = np.maximum.accumulate(np.r_[np.iinfo(np.int64).min, end_ns])[:-1]
    start = np.maximum(start_ns, ended)
    left = np.flatnonzero(end_ns > start)
    return left, start[left]
