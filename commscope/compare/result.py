"""What compare gives: Difference, Metric, Comparison. Frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from commscope.analysis.result import Analysis
from commscope.compare.measures.utilisation import Utilisation


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
    doubt: str = ""  # why a difference between times is not shown to be one
    by_run: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())  # each recording's value, in order


@dataclass(frozen=True, slots=True)
class Comparison:
    """The product's answer: which run is better, by how much, and why.

    Where a side was recorded several times, `baseline` and `candidate` are the recordings with the median
    step; metrics are medians over all.
    """

    baseline: Analysis
    candidate: Analysis
    names: tuple[str, str]
    comparable: bool
    differences: tuple[Difference, ...]
    metrics: tuple[Metric, ...]
    unknown: tuple[str, ...] = ()  # facts not recorded on one side or on both: not known to be equal
    recordings: tuple[int, int] = (1, 1)
    load_words: str = ""  # other programs that kept the machine busy, where there were any
    headline: str = ""  # the answer in one line
    findings: tuple[str, ...] = ()  # what it stands on, a sentence each
    utilisation: tuple[Utilisation, ...] = ()  # of `baseline` and of `candidate`

    @property
    def verdict(self) -> str:
        """Headline and findings as running text."""
        return " ".join((self.headline, *self.findings))

    @property
    def is_time_shown(self) -> bool:
        """Whether one side is shown to be faster."""
        step = self.metric("step.time")
        return step is not None and step.status in {"better", "worse"}

    def metric(self, name: str) -> Metric | None:
        """The metric of that name, if it was computed."""
        return next((metric for metric in self.metrics if metric.metric == name), None)
