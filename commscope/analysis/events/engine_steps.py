"""Steps of an inference engine: events of a rank in, one window a batch and what the batch does out.

The engine marks a batch on the host, and the device works on behind the mark: a step lasts until its last
work has ended, at most until the next batch begins. Batches bear no numbers; they are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commscope.analysis.attribution import PHASES
from commscope.analysis.result import Window
from commscope.readers.names.steps import engine_phase
from commscope.schema import EventKind, Phase
from commscope.trace import Events, Int64


@dataclass(frozen=True, slots=True)
class EngineSteps:
    """Batches in their order; columns of one length."""

    rows: Int64
    start_ns: Int64
    end_ns: Int64
    phase: npt.NDArray[np.int8]  # index into PHASES

    def windows(self) -> tuple[Window, ...]:
        """A step a batch, counted from 0."""
        spans = enumerate(zip(self.start_ns.tolist(), self.end_ns.tolist(), strict=True))
        return tuple(Window(f"step {number}", start, end, number) for number, (start, end) in spans)


def engine_steps(events: Events) -> EngineSteps:
    """Batches that an engine marked on the host; none where it marked none."""
    said = [engine_phase(name) for name in events.names]
    codes = np.array([-1 if one is None else PHASES.index(Phase(one)) for one in said], np.int8)
    if not (codes >= 0).any():
        nothing = np.zeros(0, np.int64)
        return EngineSteps(nothing, nothing, nothing, codes[:0])
    marks = events.is_kind(EventKind.OP, EventKind.ANNOTATION)
    rows = np.flatnonzero(marks & (codes[events.name_id] >= 0))
    rows = rows[events.end_ns[rows] > events.start_ns[rows]]
    rows = rows[_outermost(events.start_ns[rows], events.end_ns[rows])]
    start_ns = events.start_ns[rows]
    next_ns = np.r_[start_ns[1:], np.iinfo(np.int64).max]
    worked_ns = np.minimum(_worked_until(events, next_ns), next_ns)
    end_ns = np.minimum(np.maximum(events.end_ns[rows], worked_ns), next_ns)
    return EngineSteps(rows, start_ns, end_ns, codes[events.name_id[rows]])


def _outermost(start_ns: Int64, end_ns: Int64) -> npt.NDArray[np.bool_]:
    """Marks that begin behind the end of all before them: one batch may be marked twice. Sorted by start."""
    before = np.maximum.accumulate(np.r_[np.iinfo(np.int64).min, end_ns])[:-1] if len(end_ns) else end_ns
    return np.asarray(start_ns >= before)


def _worked_until(events: Events, before_ns: Int64) -> Int64:
    """The latest end of device work that begins before each time; the least number where there is none."""
    device = np.flatnonzero(events.on_device())
    order = device[np.argsort(events.start_ns[device], kind="stable")]
    ends = np.maximum.accumulate(np.r_[np.iinfo(np.int64).min, events.end_ns[order]])
    return np.asarray(ends[np.searchsorted(events.start_ns[order], before_ns, "left")])
