"""How far each rank is behind the others by its own doing: Analysis -> Measurements of `straggler.time`.

A rank's own time of a step is all that is not exposed communication: compute, copies, and idle or host-bound
time. Less the median of the other ranks' own time in the same step it is what this rank makes the others
wait, or not: a machine that is slow for everybody cancels. `straggler.time/<part>` is the same of one part,
for parts differ in how much they scatter: other load on the machine stretches compute, a sleep is idle time.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from commscope.analysis.result import Analysis
from commscope.compare.measures.measurement import MAD_TO_SIGMA, Measurement, basis_of, study_rows, whole

STRAGGLER = "straggler.time"
OWN_PARTS = ("compute", "copy", "idle")
Steps = dict[int, list[float]]  # rank -> one value a step


def straggler_measurements(analysis: Analysis) -> dict[str, Measurement]:
    """Each rank's lag behind the median of the others, median over steps; nothing for a single rank."""
    if len(analysis.ranks) < 2:
        return {}
    return lags_of(*_own_parts(analysis), basis_of(analysis))


def lags_of(parts: Mapping[str, Steps], step_ns: float, basis: str) -> dict[str, Measurement]:
    """The same from parts of each rank's own time, one value a step; every rank has the same steps."""
    ranks = parts[OWN_PARTS[0]]
    total = {
        rank: [sum(values) for values in zip(*(parts[part][rank] for part in OWN_PARTS), strict=True)]
        for rank in ranks
    }
    found = [_measured(STRAGGLER, total, step_ns, basis)]
    found += [_measured(f"{STRAGGLER}/{part}", parts[part], step_ns, basis) for part in OWN_PARTS]
    return {measurement.metric: measurement for measurement in found}


def _own_parts(analysis: Analysis) -> tuple[dict[str, Steps], float]:
    """Part -> rank -> one value a step, of the steps that every rank has; and how long such a step takes."""
    parts: dict[str, Steps] = {part: {rank: [] for rank in analysis.ranks} for part in OWN_PARTS}
    spans: list[int] = []
    for rows in study_rows(analysis).values():
        if {row.rank for row in rows} != set(analysis.ranks):
            continue
        spans.append(max(row.span_ns for row in rows))
        for row in rows:
            values = (row.compute_ns, row.copy_ns, row.idle_ns + (row.host_bound_ns or 0))
            for part, value in zip(OWN_PARTS, values, strict=True):
                parts[part][row.rank].append(value)
    return parts, median(spans) if spans else 0.0


def _measured(metric: str, own: Steps, step_ns: float, basis: str) -> Measurement:
    lags = {rank: _lags(rank, own) for rank in own}
    if not any(lags.values()):
        return Measurement(metric, "timed", "ns", None, why="no step that every rank has")
    by_rank = {rank: whole(round(median(values))) for rank, values in lags.items()}
    spread = max(MAD_TO_SIGMA * _mad(values) for values in lags.values())
    return Measurement(
        metric=metric,
        kind="timed",
        unit="ns",
        value=max(by_rank.values()),
        spread=spread / step_ns if step_ns else None,
        steps=len(next(iter(lags.values()))),
        by_rank=by_rank,
        basis=basis,
    )


def _lags(rank: int, own: Steps) -> list[float]:
    """In each step, own value less the median of the other ranks'."""
    others = [values for other, values in own.items() if other != rank]
    return [mine - median(rest) for mine, *rest in zip(own[rank], *others, strict=True)]


def _mad(values: list[float]) -> float:
    middle = median(values)
    return median(abs(value - middle) for value in values)
