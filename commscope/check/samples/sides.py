"""Several runs of one configuration as one side of a check: Snapshots -> values per metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from commscope.check.samples.snapshot import Snapshot
from commscope.compare.decision import Sample
from commscope.compare.measures.measurement import PROFILED, UNPROFILED, Measurement, whole

STEP_TIME = "step.time"


@dataclass(frozen=True, slots=True)
class Sides:
    """The recorded runs of a configuration, before and after."""

    baseline: tuple[Snapshot, ...]
    candidate: tuple[Snapshot, ...]

    def metrics(self) -> list[str]:
        """Names of all metrics of either side; step times under one name."""
        names = {name for run in (*self.baseline, *self.candidate) for name in run.measured}
        return sorted((names - {PROFILED, UNPROFILED}) | {STEP_TIME})

    def recorded_as(self, metric: str) -> str:
        """`step.time` is the unprofiled one where every run has it, else the profiled one."""
        if metric != STEP_TIME:
            return metric
        runs = (*self.baseline, *self.candidate)
        return UNPROFILED if all(_value(run, UNPROFILED) is not None for run in runs) else PROFILED


def measurements(runs: Iterable[Snapshot], metric: str) -> list[Measurement]:
    """What each run that has the metric measured."""
    found = [run.measured[metric] for run in runs if metric in run.measured]
    return [measurement for measurement in found if measurement.value is not None]


def sample_of(runs: Sequence[Snapshot], metric: str) -> Sample | None:
    """One value a run, of the runs that have the metric: one bad recording spoils no others."""
    found = measurements(runs, metric)
    if not found:
        return None
    spreads = [one.spread for one in found if one.spread is not None]
    return Sample(tuple(float(one.value or 0) for one in found), max(spreads, default=None))


def middle(runs: Sequence[Snapshot], metric: str) -> float | None:
    """Median over the runs that have the metric."""
    found = [float(one.value) for one in measurements(runs, metric) if one.value is not None]
    return whole(median(found)) if found else None


def why_missing(sides: Sides, metric: str, *, in_candidate: bool) -> str:
    """Which side lacks a metric, and why."""
    if in_candidate:
        return reason(sides.candidate, metric)
    return f"the baseline {reason(sides.baseline, metric)}: --update-baseline takes it anew"


def reason(runs: Sequence[Snapshot], metric: str) -> str:
    """Why a run lacks a metric."""
    for run in runs:
        if metric not in run.measured:
            return f"{run.name} has no {metric}"
        if run.measured[metric].value is None:
            return f"{run.name}: {run.measured[metric].why or 'not captured'}"
    return ""


def _value(run: Snapshot, metric: str) -> float | None:
    measured = run.measured.get(metric)
    return None if measured is None else measured.value
