"""Exact work of one run: Analysis -> Measurements of `compute.ops` and `compute.flops`, in all and by phase.

Operators and the arithmetic of products repeat exactly where times do not: checkpointing switched on, more
microbatches or sequences, a cast, an unfused layer, a compiler switched off move one or the other. Absent
where a trace holds no operators of the host, no shapes, or no phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean, median

from commscope.analysis.result import Analysis, RankBreakdown
from commscope.compare.measures.measurement import Measurement, basis_of, study_rows, whole
from commscope.schema import Phase

OPERATORS = "compute.ops"
FLOPS = "compute.flops"
WORK = (FLOPS, OPERATORS)
UNITS = {OPERATORS: "count", FLOPS: "flop"}
WORK_WORDS = {OPERATORS: "operators", FLOPS: "floating point operations"}
_ABSENT = {
    OPERATORS: "no operators of the host with their phase were recorded on every rank",
    FLOPS: "shapes of matrix products were not recorded on every rank",
}
Counts = Mapping[tuple[int, str], Mapping[Phase, int]]  # rank and window -> work by phase


def work_measurements(analysis: Analysis) -> list[Measurement]:
    """Work of a step on each rank: median over steps, mean over ranks."""
    return [one for metric in WORK for one in _work(analysis, metric)]


def _work(analysis: Analysis, metric: str) -> list[Measurement]:
    rows = [row for rows in study_rows(analysis).values() for row in rows]
    counts = {(row.rank, row.window): _by_phase(row, metric) for row in rows}
    known = {place: found for place, found in counts.items() if found is not None}
    if not known or len(known) < len(counts):
        return [Measurement(metric, "exact", UNITS[metric], None, why=_ABSENT[metric])]
    seen = {phase for found in known.values() for phase in found}
    parts = [_measured(analysis, f"{metric}/{phase}", (phase,), known) for phase in Phase if phase in seen]
    return [_measured(analysis, metric, tuple(Phase), known), *parts]


def _by_phase(row: RankBreakdown, metric: str) -> Mapping[Phase, int] | None:
    return row.operators_by_phase if metric == OPERATORS else row.flops_by_phase


def _measured(analysis: Analysis, name: str, phases: tuple[Phase, ...], counts: Counts) -> Measurement:
    windows = list(dict.fromkeys(window for _, window in counts))
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
        unit=UNITS[name.split("/", maxsplit=1)[0]],
        value=whole(fmean(by_rank.values())),
        spread=(max(by_step) - min(by_step)) / max(by_step) if any(by_step) else 0.0,
        steps=len(windows),
        by_rank=by_rank,
        by_step=by_step,
        basis=basis_of(analysis),
    )
