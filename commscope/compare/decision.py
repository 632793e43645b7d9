"""The one rule of evidence for times: values of runs -> Decision. The unit is the run.

`compare`, `check` and everything that shows their answers say faster or slower by this rule only.

Steps of one run resemble one another more than steps of two runs do, so tests over pooled steps raise alarms
half of the time. Here each run gives one number, the median over its steps. A change counts when the ratio of
medians is beyond the budget and beyond 3 median absolute deviations of the runs of either side, and when no
candidate run lies among the baseline's. It is sure, and so an error, with at least `min_runs` runs a side and
when Student's t over the runs, one-sided at 1 %, agrees: three runs a side are apart by chance once in twenty
times, however noisy the machine. With fewer runs the budget is at least 10 %, and it is a warning. Where one
question is asked of many ranks, the 1 % is shared among them (Bonferroni).
`benchmarks/check_power.py` prints how often this is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, log, log1p, sqrt
from statistics import fmean, median, variance

FEW_RUNS_SHARE = 0.10
NOISE_FACTOR = 3.0
SIGNIFICANCE = 0.01
SMALLEST_CHANGE = 0.03  # of a time, and of the step for a part of it:
SMALLEST_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Sample:
    """One metric over the runs of one side: each run's value, and the largest relative spread over steps."""

    values: tuple[float, ...]
    spread: float | None = None

    @property
    def middle(self) -> float:
        """Median over runs."""
        return median(self.values)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a change counts."""

    allowed: float  # the budget, in the metric's unit
    beyond_noise: bool = True
    min_runs: int = 3  # a side, for an error
    scale: float | None = None  # what shares are of; None: the baseline's own value
    questions: int = 1  # asked at once, of which any may fail


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the change is beyond what is allowed, and why it may not be sure."""

    direction: int  # 1 more, -1 less, 0 neither
    allowed: float  # largest change that holds, in the metric's unit
    doubt: str = ""  # why this is not enough for an error

    @property
    def is_sure(self) -> bool:
        """Enough runs, and further apart than runs are among themselves."""
        return not self.doubt


def mad(values: Sequence[float]) -> float:
    """Median absolute deviation."""
    middle = median(values)
    return median(abs(value - middle) for value in values)


def decide(baseline: Sample, candidate: Sample, rule: Rule) -> Decision:
    """Hold the candidate's runs against the baseline's."""
    old, new = baseline.middle, candidate.middle
    runs = (len(baseline.values), len(candidate.values))
    is_few = min(runs) < rule.min_runs
    doubt = f"{runs[0]} against {runs[1]} runs, an error needs {rule.min_runs} a side" if is_few else ""
    allowed, change = rule.allowed, new - old
    if rule.beyond_noise:
        allowed = max(allowed, _noise(baseline, candidate, rule, is_few=is_few))
    if abs(change) <= allowed or (rule.beyond_noise and not _apart(baseline.values, candidate.values)):
        return Decision(0, allowed, doubt)
    is_sure = p_value(baseline.values, candidate.values) <= SIGNIFICANCE / rule.questions
    if rule.beyond_noise and not is_few and not is_sure:
        doubt = "runs differ among themselves too much to be sure"
    return Decision(1 if change > 0 else -1, allowed, doubt)


def decide_either_way(baseline: Sample, candidate: Sample, step_ns: float, *, questions: int = 1) -> Decision:
    """The same without a budget, for whoever asks which side is faster; limits are logarithms of ratios.

    Swapping the sides swaps the direction and nothing else. A part below 1 % of the step is as good as none.
    """
    least = SMALLEST_SHARE * step_ns or 1.0
    old, new = (
        Sample(tuple(log(max(value, least)) for value in side.values)) for side in (baseline, candidate)
    )
    longer = max(baseline.middle, candidate.middle, least)
    allowed = max(log1p(SMALLEST_CHANGE), log1p(least / longer))
    return decide(old, new, Rule(allowed, scale=1.0, questions=questions))


def corroborated(
    decision: Decision,
    witnesses: Sequence[Decision],
    doubt: str = "the profiled steps of the same runs do not show it",
) -> Decision:
    """Sure only if another measure of the same runs surely says the same, where there is one.

    What slows a machine for the length of one stretch of a run is over in another.
    """
    agree = (one.is_sure and one.direction == decision.direction for one in witnesses)
    if not decision.is_sure or not decision.direction or not witnesses or any(agree):
        return decision
    return replace(decision, doubt=doubt)


def _noise(baseline: Sample, candidate: Sample, rule: Rule, *, is_few: bool) -> float:
    """The change that repeated runs may show, in the metric's unit."""
    noise = NOISE_FACTOR * max(mad(baseline.values), mad(candidate.values))
    if not is_few:
        return noise
    spreads = [sample.spread for sample in (baseline, candidate) if sample.spread is not None]
    scale = abs(baseline.middle) if rule.scale is None else rule.scale
    return max(noise, scale * max([FEW_RUNS_SHARE, *spreads]))


def _apart(baseline: Sequence[float], candidate: Sequence[float]) -> bool:
    """No overlap of ranges."""
    return min(candidate) > max(baseline) or max(candidate) < min(baseline)


def p_value(baseline: Sequence[float], candidate: Sequence[float]) -> float:
    """Student's t with pooled variance over the runs, one-sided; 0 where runs do not scatter.

    `stdtr` is its distribution function; `scipy.stats` gives the same and takes a second to import.
    """
    n, m = len(baseline), len(candidate)
    if n < 2 or m < 2:
        return 0.0
    pooled = ((n - 1) * variance(baseline) + (m - 1) * variance(candidate)) / (n + m - 2)
    error = sqrt(pooled * (1 / n + 1 / m))
    t = abs(fmean(candidate) - fmean(baseline)) / error if error else inf
    from scipy.special import stdtr  # a third of a second, which only some comparisons need

    return float(stdtr(n + m - 2, -t))
