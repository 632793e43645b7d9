"""What compare gives: Difference, Metric, Comparison. Frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from commscope.analysis.result import Analysis


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that differs between the runs; `breaks` says whether times can still be compared."""

    field: str
    baseline: Any
    candidate: Any
    breaks: bool


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of both runs; `change` = candidate / baseline - 1, `noise` is what it must exceed."""

    metric: str
    kind: str  # exact | timed
    unit: str  # ns | bytes | count
    baseline: float | None
    candidate: float | None
    change: float | None
    noise: float | None
    status: str  # same | better | worse | within-noise | missing | not-comparable
    why: str = ""  # reason of an absent number
    basis: str = ""  # what the numbers were taken from


@dataclass(frozen=True, slots=True)
class Comparison:
    """The product's answer: which run is better, by how much, and why."""

    baseline: Analysis
    candidate: Analysis
    comparable: bool
    differences: tuple[Difference, ...]
    verdict: str
    metrics: tuple[Metric, ...]
    unknown: tuple[str, ...] = ()  # facts not recorded on one side or on both: not known to be equal

    def metric(self, name: str) -> Metric | None:
        """The metric of that name, if it was computed."""
        return next((metric for metric in self.metrics if metric.metric == name), None)
