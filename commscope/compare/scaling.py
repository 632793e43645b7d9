"""Runs of several layouts side by side: Analysis of each -> one row each, against the first.

Efficiency is the operations a rank does in a second over what the first run's ranks do: the
quantity of Shoeybi et al. 2019 (arXiv 1909.08053, section 5), which stays meaningful when the model grows
with the ranks; a bare ratio of step times does not. Steps are timed without the profiler where all runs were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commscope.analysis.result import Analysis
from commscope.compare.measure import measure
from commscope.compare.measurement import PROFILED, UNPROFILED
from commscope.theory.flops import step_flops


@dataclass(frozen=True, slots=True)
class ScalingRow:
    """One run; None is absent."""

    run: str
    ranks: int
    step_ns: float | None
    speedup: float | None  # step time of the first run over this one's
    efficiency: float | None  # operations per rank and second over the first run's
    exposed_ns: float | None
    wire_bytes: float | None
    peak_bytes: float | None


def scaling_rows(analyses: Sequence[Analysis]) -> tuple[ScalingRow, ...]:
    """One row a run, in the order given."""
    rows: list[ScalingRow] = []
    first_step_ns = first_pace = None
    measured = [{name: found.value for name, found in measure(analysis).items()} for analysis in analyses]
    timed = UNPROFILED if all(values.get(UNPROFILED) for values in measured) else PROFILED
    for analysis, values in zip(analyses, measured, strict=True):
        step_ns = values.get(timed)
        pace = _pace(analysis, step_ns)
        first_step_ns, first_pace = first_step_ns or step_ns, first_pace or pace
        rows.append(
            ScalingRow(
                run=analysis.run.name,
                ranks=len(analysis.ranks),
                step_ns=step_ns,
                speedup=first_step_ns / step_ns if first_step_ns and step_ns else None,
                efficiency=pace / first_pace if pace and first_pace else None,
                exposed_ns=values.get("communication.exposed"),
                wire_bytes=values.get("communication.wire_bytes"),
                peak_bytes=values.get("memory.peak"),
            )
        )
    return tuple(rows)


def _pace(analysis: Analysis, step_ns: float | None) -> float | None:
    """Operations a rank does per nanosecond; None where model or layout were not recorded."""
    layout, model = analysis.run.layout, analysis.run.model
    if not step_ns or layout is None or model is None:
        return None
    return step_flops(layout, model).model * layout.dp / (len(analysis.ranks) * step_ns)
