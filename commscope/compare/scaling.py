"""Runs of several layouts side by side: Analysis of each -> one row each, against the first.

Efficiency is the operations a rank does in a second over what the first run's ranks do: the
quantity of Shoeybi et al. 2019 (arXiv 1909.08053, section 5), which stays meaningful when the model grows
with the ranks; a bare ratio of step times does not. Steps are timed without the profiler where all runs were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commscope.analysis.result import Analysis
from commscope.compare.decision import decide_either_way
from commscope.compare.measures.measurement import PROFILED, UNPROFILED
from commscope.compare.measures.other_load import load_words
from commscope.compare.metrics import FEWEST_RUNS, few_recordings
from commscope.compare.recordings import Recordings, name_of, recordings_of
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
    doubt: str = ""  # why speedup and efficiency are not shown by the recordings


def scaling_rows(sides: Sequence[Sequence[Analysis]]) -> tuple[ScalingRow, ...]:
    """One row for the recordings of each layout, in the order given.

    Raises UsageProblem where the recordings of a row are not of one configuration.
    """
    found = [recordings_of(side) for side in sides]
    timed = UNPROFILED if all(side.has(UNPROFILED) for side in found) else PROFILED
    values = [{name: one.value for name, one in side.merged().items()} for side in found]
    paces = [_pace(side.runs[0], one.get(timed)) for side, one in zip(found, values, strict=True)]
    first_step_ns = next((step_ns for one in values if (step_ns := one.get(timed))), None)
    first_pace = next((pace for pace in paces if pace), None)
    rows = []
    for side, one, pace in zip(found, values, paces, strict=True):
        step_ns = one.get(timed)
        rows.append(
            ScalingRow(
                run=name_of(side),
                ranks=len(side.runs[0].ranks),
                step_ns=step_ns,
                speedup=first_step_ns / step_ns if first_step_ns and step_ns else None,
                efficiency=pace / first_pace if pace and first_pace else None,
                exposed_ns=one.get("communication.exposed"),
                wire_bytes=one.get("communication.wire_bytes"),
                peak_bytes=one.get("memory.peak"),
                doubt="" if side is found[0] else _doubt(found[0], side, timed),
            )
        )
    return tuple(rows)


def _doubt(first: Recordings, side: Recordings, timed: str) -> str:
    """Why a ratio of their steps says nothing, by the rule for times."""
    names = (name_of(first), name_of(side))
    fewest = min(len(first.runs), len(side.runs))
    if fewest < FEWEST_RUNS:
        return few_recordings(fewest)
    if load := load_words(names, [[run.run for run in one.runs] for one in (first, side)]):
        return load
    decision = decide_either_way(first.sample(timed), side.sample(timed), 0.0)
    return decision.doubt if decision.direction else "recordings of one row differ as much"


def _pace(analysis: Analysis, step_ns: float | None) -> float | None:
    """Operations a rank does per nanosecond; None where model or layout were not recorded."""
    layout, model = analysis.run.layout, analysis.run.model
    if not step_ns or layout is None or model is None:
        return None
    return step_flops(layout, model).model * layout.dp / (len(analysis.ranks) * step_ns)
