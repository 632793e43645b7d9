"""One metric of one run, and the steps and spread it comes from.

A value belongs to one step and one rank. Where the trace marks no steps, the whole capture stands for one
step, and `basis` says so. Each metric keeps its spread over the steps, and exact ones each rank's value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from commscope.analysis.result import Analysis, RankBreakdown
from commscope.analysis.summary import breakdown_by_window, step_windows
from commscope.schema import CAPTURE

MAD_TO_SIGMA = 1.4826  # of a normal distribution
UNPROFILED = "step.time/unprofiled"
PROFILED = "step.time/profiled"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric of one run; `value` None is absent, and `why` says why."""

    metric: str
    kind: str  # exact | timed
    unit: str  # ns | bytes | count
    value: float | None
    spread: float | None = None  # relative, over steps: 1.4826 MAD / median
    steps: int = 0
    by_rank: Mapping[int, float] = field(default_factory=dict)
    by_step: tuple[float, ...] = ()
    basis: str = ""
    why: str = ""


def study_windows(analysis: Analysis) -> tuple[str, ...]:
    """The steps, or the capture where no steps are marked."""
    return step_windows(analysis) or (CAPTURE,)


def study_rows(analysis: Analysis) -> dict[str, list[RankBreakdown]]:
    """Breakdown rows of each step, or of the capture, in order; none for a step that no rank divides."""
    rows = breakdown_by_window(analysis)
    return {window: rows.get(window, []) for window in study_windows(analysis)}


def basis_of(analysis: Analysis) -> str:
    """In words, what a per-step number of this run was taken from."""
    steps = len(step_windows(analysis))
    if not steps:
        return "whole capture: no steps marked"
    return f"median of {steps} steps" if steps > 1 else "one step"


def relative_spread(values: Sequence[float]) -> float | None:
    """Robust standard deviation over the median; None for fewer than two values."""
    if len(values) < 2:
        return None
    middle = median(values)
    deviation = MAD_TO_SIGMA * median(abs(value - middle) for value in values)
    return deviation / abs(middle) if middle else (0.0 if not deviation else float("inf"))


def whole(value: float) -> float:
    """An int where the value is whole."""
    return int(value) if float(value).is_integer() else float(value)
