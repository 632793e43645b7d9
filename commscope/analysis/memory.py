"""Peak memory of a rank from the allocator's records.

Takes samples and the phase of each event, gives RankMemory or None; and of several measures the best.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from commscope.analysis.attribution import PHASES
from commscope.analysis.result import Analysis
from commscope.schema import EventKind
from commscope.trace import RankMemory, RankTrace

_BEST_FIRST = ("cuda_allocator", "tensors", "rss")


def memory_of(analysis: Analysis) -> tuple[RankMemory, ...]:
    """What was measured of memory: by the analysis, else by the recorder."""
    return analysis.memory or analysis.run.memory


def best_measure(rows: Sequence[RankMemory]) -> tuple[RankMemory, ...]:
    """Rows of one kind, as kinds cannot be compared: the allocator's, else tensors, else the process's."""
    kinds = (*_BEST_FIRST, *sorted({row.kind for row in rows} - set(_BEST_FIRST)))
    found = (tuple(row for row in rows if row.kind == kind) for kind in kinds)
    return next((of_kind for of_kind in found if of_kind), ())


def peak_memory(trace: RankTrace, phase: npt.NDArray[np.int8]) -> RankMemory | None:
    """The highest total an allocator held: of the devices, else of the host."""
    on_device = [sample for sample in trace.memory if sample.device >= 0]
    samples = on_device or list(trace.memory)
    if not samples:
        return None
    by_phase: dict[str, int] = {}
    times = np.array([sample.time_ns for sample in samples], np.int64)
    for sample, code in zip(samples, _phase_at(trace, phase, times).tolist(), strict=True):
        if code >= 0:
            name = str(PHASES[code])
            by_phase[name] = max(by_phase.get(name, 0), sample.total_bytes)
    kind = "cuda_allocator" if on_device else "tensors"
    return RankMemory(trace.rank, kind, max(sample.total_bytes for sample in samples), by_phase)


def _phase_at(
    trace: RankTrace, phase: npt.NDArray[np.int8], time_ns: npt.NDArray[np.int64]
) -> npt.NDArray[np.int8]:
    """Phase of the host event that began last before each time."""
    host = np.flatnonzero(trace.events.is_kind(EventKind.OP) & (phase >= 0))
    if not len(host):
        return np.full(len(time_ns), -1, np.int8)
    at = np.searchsorted(trace.events.start_ns[host], time_ns, "right") - 1
    return np.where(at >= 0, phase[host[at]], -1).astype(np.int8)
