"""Exact work of one run: Analysis -> Measurements of `compute.ops`, in all and by phase.

Operators repeat exactly where times do not: checkpointing switched on, microbatches, a cast, an unfused
layer, a compiler switched off all move them. Absent where a trace holds no operators of the host or no phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean, median

from commscope.analysis.result import Analysis
from commscope.compare.measures.measurement import Measurement, basis_of, study_windows, whole
from commscope.schema import Phase

OPERATORS = "compute.ops"
Counts = Mapping[tuple[int, str], Mapping[Phase, int]]  # rank and window -> operators by phase


def work_measurements(analysis: Analysis) -> list[Measurement]:
    """Operators of a step on each rank: median over steps, mean over ranks."""
    windows = study_windows(analysis)
    rows = [row for row in analysis.breakdown if row.window in windows]
    counts = {(row.rank, row.window): row.operators_by_phase for row in rows}
    known = {place: found for place, found in counts.items() if found is not None}
    if not known or len(known) < len(counts):
        why = "no operators of the host with their phase were recorded on every rank"
        return [Measurement(OPERATORS, "exact", "count", None, why=why)]
    seen = {phase for found in known.values() for phase in found}
    parts = [_measured(analysis, f"{OPERATORS}/{phase}", (phase,), known) for phase in Phase if phase in seen]
    return [_measured(analysis, OPERATORS, tuple(Phase), known), *parts]


def _measured(analysis: Analysis, name: str, phases: tuple[Phase, ...], counts: Counts) -> Measurement:
    windows = [one for one in study_windows(analysis) if any(window == one for _, window in counts)]
    ranks = sorted({rank for rank, _ in counts})
    found = {place: sum(by_phase.get(phase, 0) for phase in phases) for place, by_phase in counts.items()}
    by_rank = {
        rank: whole(median(found[rank, window] for window in windows if (rank, window) in found))
        for rank in ranks
    }
    by_step = tuple(
        whole(fmean(found[rank, window] for rank in ranks if (rank, window) in found)) for window in windows
    )
    return Measurement(
        metric=name,
        kind="exact",
        unit="count",
        value=whole(fmean(by_rank.values())),
        spread=(max(by_step) - min(by_step)) / max(by_step) if any(by_step) else 0.0,
        steps=len(windows),
        by_rank=by_rank,
        by_step=by_step,
        basis=basis_of(analysis),
    )
