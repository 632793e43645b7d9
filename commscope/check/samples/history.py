"""Change points in the history of a metric: one value a run, in order of time -> ChangePoints.

PELT with a Gaussian kernel (Killick et al. 2012, Arlot et al. 2019), from ruptures, assumes no distribution.
The penalty is the logarithm of the number of runs; with it noise alone raises an alarm in at most one of a
hundred histories of 20 to 300 runs, as did E-divisive at p <= 0.01. Below 20 values it says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from statistics import median

import numpy as np

from commscope.check.samples.sides import Sides, middle
from commscope.check.samples.snapshot import Snapshot

FEWEST = 20
SMALLEST_PART = 5
SMALLEST_CHANGE = 0.01


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """From `index` on, a metric is another one."""

    metric: str
    index: int
    run: str
    before: float  # median of the part before
    after: float

    @property
    def change(self) -> float | None:
        """Relative change of the medians."""
        return self.after / self.before - 1 if self.before else None


@dataclass(frozen=True, slots=True)
class Series:
    """One metric over runs, with its change points."""

    metric: str
    unit: str
    runs: tuple[str, ...]
    values: tuple[float, ...]
    points: tuple[ChangePoint, ...]
    note: str = ""  # why no change points were looked for


def history(runs: Sequence[Snapshot], metrics: Sequence[str]) -> tuple[Series, ...]:
    """The metrics over runs of one configuration, oldest first; a run that lacks one is left out."""
    return tuple(series for metric in metrics if (series := _series(runs, metric)) is not None)


def change_points(values: Sequence[float]) -> list[int]:
    """Places where the values change, in order."""
    if len(values) < FEWEST or len(set(values)) == 1:
        return []
    from ruptures import KernelCPD  # takes a second to import

    signal = np.asarray(values, dtype=np.float64)[:, None]
    *places, _ = KernelCPD(kernel="rbf", min_size=SMALLEST_PART).fit(signal).predict(pen=log(len(values)))
    return [int(place) for place in places]


def _series(runs: Sequence[Snapshot], metric: str) -> Series | None:
    recorded = Sides((), tuple(runs)).recorded_as(metric)
    known = [(run.name, value) for run in runs if (value := middle([run], recorded)) is not None]
    if not known:
        return None
    names, values = zip(*known, strict=True)
    unit = next(run.measured[recorded].unit for run in runs if recorded in run.measured)
    points = _points(metric, names, values)
    note = "" if len(values) >= FEWEST else f"{len(values)} runs; change points need {FEWEST}"
    return Series(metric, unit, names, values, points, note)


def _points(metric: str, names: Sequence[str], values: Sequence[float]) -> tuple[ChangePoint, ...]:
    found = change_points(values)
    edges = [0, *found, len(values)]
    points = [
        ChangePoint(
            metric,
            place,
            names[place],
            median(values[edges[i] : place]),
            median(values[place : edges[i + 2]]),
        )
        for i, place in enumerate(found)
    ]
    return tuple(point for point in points if point.change is None or abs(point.change) >= SMALLEST_CHANGE)
