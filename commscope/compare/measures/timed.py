"""Timed metrics of one run: Analysis -> Measurements of step, compute, communication, blocking and memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import fmean, median

from commscope.analysis.memory import best_measure, memory_of
from commscope.analysis.result import Analysis, RankBreakdown
from commscope.compare.measures.measurement import (
    PROFILED,
    UNPROFILED,
    Measurement,
    basis_of,
    relative_spread,
    study_rows,
    study_windows,
    whole,
)
from commscope.schema import Phase

EXPOSED = "collective.exposed"
_NOT_SPLIT = "waiting cannot be told from transfer: not every instance was matched over the ranks"
_MOST_UNKNOWN = 0.01  # of the exposed time: far below what two recordings differ by
_PARTS: tuple[tuple[str, Callable[[RankBreakdown], int | None], str], ...] = (
    ("compute.time", lambda row: row.compute_ns, ""),
    ("communication.exposed", lambda row: row.exposed_ns, ""),
    ("communication.exposed_wait", lambda row: row.exposed_wait_ns if _is_split(row) else None, _NOT_SPLIT),
    (
        "communication.exposed_transfer",
        lambda row: row.exposed_transfer_ns if _is_split(row) else None,
        _NOT_SPLIT,
    ),
    ("communication.overlapped", lambda row: row.overlapped_ns, ""),
    ("copy.time", lambda row: row.copy_ns, ""),
    ("idle.time", lambda row: row.idle_ns + (row.host_bound_ns or 0), ""),
)


def _is_split(row: RankBreakdown) -> bool:
    """Whether so little of the exposed time is not told that the rest stands for all."""
    return (row.exposed_unknown_ns or 0) <= _MOST_UNKNOWN * row.exposed_ns


def timed_measurements(analysis: Analysis) -> list[Measurement]:
    """Step time over the longest rank; parts of the step as the mean over ranks; medians over steps."""
    parts = [_part(analysis, name, part, why) for name, part, why in _PARTS]
    return [
        *_step_times(analysis),
        *parts,
        *_compute_by_phase(analysis),
        *_exposed_by_kind(analysis),
        _blocking(analysis),
        _memory(analysis),
    ]


def recorded_step_times(analysis: Analysis, *, profiled: bool) -> list[float]:
    """Each step's time on its longest rank, as the recorder clocked it."""
    longest: dict[int, int] = defaultdict(int)
    for row in analysis.run.step_times:
        if row.profiled == profiled:
            longest[row.step] = max(longest[row.step], row.time_ns)
    return [float(longest[step]) for step in sorted(longest)]


def _step_times(analysis: Analysis) -> list[Measurement]:
    spans = [float(max((row.span_ns for row in rows), default=0)) for rows in study_rows(analysis).values()]
    unprofiled = recorded_step_times(analysis, profiled=False)
    return [
        _timed(PROFILED, spans, f"{basis_of(analysis)}, profiled", ""),
        _timed(
            UNPROFILED,
            unprofiled,
            f"median of {len(unprofiled)} unprofiled steps",
            "" if unprofiled else "no steps were timed without the profiler",
        ),
    ]


def _part(
    analysis: Analysis, name: str, part: Callable[[RankBreakdown], int | None], why: str
) -> Measurement:
    """Mean over ranks in each step, median over steps; absent as soon as one rank lacks it."""
    by_step: list[float] = []
    for rows in study_rows(analysis).values():
        values = [part(row) for row in rows]
        known = [value for value in values if value is not None]
        if not values or len(known) < len(values):
            return Measurement(name, "timed", "ns", None, why=why or "no breakdown of this window")
        by_step.append(fmean(known))
    return _timed(name, by_step, basis_of(analysis), why)


def _compute_by_phase(analysis: Analysis) -> list[Measurement]:
    """Compute of each phase that was seen; none where phases cannot be told."""
    rows = [row for rows in study_rows(analysis).values() for row in rows]
    seen = {phase for row in rows for phase, ns in (row.compute_by_phase_ns or {}).items() if ns}
    return [
        _part(analysis, f"compute.time/{phase}", _phase_part(phase), "phases cannot be told on every rank")
        for phase in Phase
        if phase in seen
    ]


def _exposed_by_kind(analysis: Analysis) -> list[Measurement]:
    """Exposed time of each collective and phase that was exposed at all."""
    rows = [row for rows in study_rows(analysis).values() for row in rows]
    kinds = sorted({kind for row in rows for kind in row.exposed_by_kind_ns})
    return [_part(analysis, f"{EXPOSED}/{kind}", _kind_part(kind), "") for kind in kinds]


def _kind_part(kind: str) -> Callable[[RankBreakdown], int | None]:
    return lambda row: row.exposed_by_kind_ns.get(kind, 0)


def _phase_part(phase: Phase) -> Callable[[RankBreakdown], int | None]:
    def part(row: RankBreakdown) -> int | None:
        return None if row.compute_by_phase_ns is None else row.compute_by_phase_ns.get(phase, 0)

    return part


def _blocking(analysis: Analysis) -> Measurement:
    """Communication on the critical path of a step."""
    name = "stall.blocking"
    paths = {path.window: path for path in analysis.critical_paths}
    found = [paths[window] for window in study_windows(analysis) if window in paths]
    if not found:
        return Measurement(name, "timed", "ns", None, why="no critical path: ranks could not be joined")
    return _timed(name, [float(path.blocking_ns) for path in found], basis_of(analysis), "")


def _memory(analysis: Analysis) -> Measurement:
    """Peak of the rank that needs most, by the best measure there is; `basis` names it."""
    rows = best_measure(memory_of(analysis))
    if not rows:
        return Measurement("memory.peak", "timed", "bytes", None, why="memory was not captured")
    by_rank = {row.rank: float(row.peak_bytes) for row in rows}
    peak = whole(max(by_rank.values()))
    return Measurement("memory.peak", "timed", "bytes", peak, by_rank=by_rank, basis=rows[0].kind)


def _timed(name: str, by_step: Sequence[float], basis: str, why: str) -> Measurement:
    if not by_step:
        return Measurement(name, "timed", "ns", None, why=why)
    return Measurement(
        metric=name,
        kind="timed",
        unit="ns",
        value=whole(round(median(by_step))),
        spread=relative_spread(by_step),
        steps=len(by_step),
        by_step=tuple(by_step),
        basis=basis,
    )
