"""Change points in the history of a metric: one value a run, in order of time -> ChangePoints.

E-divisive (Matteson and James 2014, arXiv 1306.4933), as MongoDB and Hunter use it: the split that
maximises the energy distance between what lies before and after it is tested by permutations and,
if significant, both halves are split again. It assumes no distribution. Below 20 values it says
nothing. It is kept here because ruptures (PELT) wants a penalty and gives no p-value, and Apache Otava,
which has E-divisive, pins NumPy and brings cloud clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from commscope.check.samples.sides import Sides, middle
from commscope.check.samples.snapshot import Snapshot

FEWEST = 20
SMALLEST_PART = 5
PERMUTATIONS = 199
SIGNIFICANCE = 0.01
SMALLEST_CHANGE = 0.01
SEED = 20260801
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """From `index` on, a metric is another one."""

    metric: str
    index: int
    run: str
    before: float  # median of the part before
    after: float
    p_value: float

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


def change_points(values: Sequence[float]) -> list[tuple[int, float]]:
    """Places where the values change, with the p-value of each, in order."""
    if len(values) < FEWEST:
        return []
    random = np.random.default_rng(SEED)
    found: list[tuple[int, float]] = []
    pending = [(0, len(values))]
    whole = np.asarray(values, dtype=np.float64)
    while pending:
        start, end = pending.pop()
        split = _significant_split(whole[start:end], random)
        if split is not None:
            place, p_value = split
            found.append((start + place, p_value))
            pending += [(start, start + place), (start + place, end)]
    return sorted(found)


def _significant_split(values: Floats, random: np.random.Generator) -> tuple[int, float] | None:
    if len(values) < 2 * SMALLEST_PART:
        return None
    distances = np.abs(values[:, None] - values[None, :])
    place, statistic = _best_split(distances)
    if statistic <= 0:
        return None
    as_large = sum(_best_split(_permuted(distances, random))[1] >= statistic for _ in range(PERMUTATIONS))
    p_value = (as_large + 1) / (PERMUTATIONS + 1)
    return (place, p_value) if p_value <= SIGNIFICANCE else None


def _permuted(distances: Floats, random: np.random.Generator) -> Floats:
    order = random.permutation(len(distances))
    return distances[np.ix_(order, order)]


def _best_split(distances: Floats) -> tuple[int, float]:
    """The split with the largest energy statistic nm/(n+m) (2 E|X-Y| - E|X-X'| - E|Y-Y'|), by prefix sums."""
    n = len(distances)
    before = np.cumsum(np.tril(distances).sum(axis=1))
    total = before[-1]
    after = total - np.cumsum(np.triu(distances).sum(axis=1))
    sizes = np.arange(SMALLEST_PART, n - SMALLEST_PART + 1)
    rest = n - sizes
    within_before = before[sizes - 1]
    within_after = after[sizes - 1]
    across = total - within_before - within_after
    statistic = (
        2 * across / (sizes * rest)
        - within_before / (sizes * (sizes - 1) / 2)
        - within_after / (rest * (rest - 1) / 2)
    ) * (sizes * rest / n)
    best = int(np.argmax(statistic))
    return int(sizes[best]), float(statistic[best])


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
    edges = [0, *(place for place, _ in found), len(values)]
    points = [
        ChangePoint(
            metric,
            place,
            names[place],
            median(values[edges[i] : place]),
            median(values[place : edges[i + 2]]),
            p,
        )
        for i, (place, p) in enumerate(found)
    ]
    return tuple(point for point in points if point.change is None or abs(point.change) >= SMALLEST_CHANGE)
