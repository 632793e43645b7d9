"""One side of a comparison: recordings of one configuration -> its name, its typical run, one value each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from commscope.analysis.result import Analysis
from commscope.compare.comparability import facts_of
from commscope.compare.decision import Sample
from commscope.compare.measures.measurement import PROFILED, Measurement, whole
from commscope.compare.measures.moved import moved_measurements
from commscope.compare.measures.timed import recorded_step_times, timed_measurements
from commscope.compare.measures.work import work_measurements
from commscope.errors import UsageProblem

_NUMBER = re.compile(r"[-_.#](?:run|rep)?\d+\Z")


@dataclass(frozen=True, slots=True)
class Recordings:
    """What each recording measured, in the order they were made."""

    runs: tuple[Analysis, ...]
    measured: tuple[Mapping[str, Measurement], ...]

    @property
    def typical(self) -> Analysis:
        """The one with the (lower) median profiled step."""
        steps = [measured[PROFILED].value or 0 for measured in self.measured]
        order = sorted(range(len(steps)), key=lambda place: (steps[place], place))
        return self.runs[order[(len(order) - 1) // 2]]

    def has(self, metric: str) -> bool:
        """Whether every recording has a value."""
        return all(metric in one and one[metric].value is not None for one in self.measured)

    def values(self, metric: str) -> tuple[float, ...]:
        """Of the recordings that have one."""
        found = [one[metric].value for one in self.measured if metric in one]
        return tuple(value for value in found if value is not None)

    def sample(self, metric: str) -> Sample:
        """The values with the largest spread over the steps of a recording."""
        spreads = [one[metric].spread for one in self.measured if metric in one]
        return Sample(self.values(metric), max((s for s in spreads if s is not None), default=None))

    def merged(self) -> dict[str, Measurement]:
        """Each metric's median over the recordings; an exact one that differs between them is absent."""
        names = dict.fromkeys(name for one in self.measured for name in one)
        return {name: self._merged(name) for name in names}

    def _merged(self, name: str) -> Measurement:
        found = [one[name] for one in self.measured if name in one]
        values = self.values(name)
        if len(self.runs) == 1 or not values:
            return found[0]
        first = next(one for one in found if one.value is not None)
        if first.kind == "exact" and (len(values) < len(self.runs) or len(set(values)) > 1):
            told = " and ".join(f"{value:,g}" for value in sorted(set(values)))
            return replace(first, value=None, why=f"its recordings differ: {told}")
        steps = min(one.steps for one in found)
        return replace(first, value=whole(median(values)), steps=steps)


def measure(analysis: Analysis) -> dict[str, Measurement]:
    """All metrics of a run by name."""
    found = [
        *timed_measurements(analysis),
        *moved_measurements(analysis),
        *work_measurements(analysis),
    ]
    return {measurement.metric: measurement for measurement in found}


def capture_overhead(analysis: Analysis) -> float | None:
    """Profiled over unprofiled step time, less one; None where one of them was not recorded."""
    with_profiler = recorded_step_times(analysis, profiled=True)
    without = recorded_step_times(analysis, profiled=False)
    return median(with_profiler) / median(without) - 1 if with_profiler and without else None


def recordings_of(runs: Sequence[Analysis]) -> Recordings:
    """Raises UsageProblem where the runs are not of one configuration."""
    facts = [facts_of(run) for run in runs]
    odd = next((place for place, one in enumerate(facts) if one.breaking != facts[0].breaking), None)
    if odd is not None:
        fields = [name for name, value in facts[odd].breaking.items() if value != facts[0].breaking[name]]
        what = f"the recordings of one side differ in {', '.join(fields)}"
        raise UsageProblem(what, where=f"{runs[0].run.path} and {runs[odd].run.path}")
    return Recordings(tuple(runs), tuple(measure(run) for run in runs))


def name_of(side: Recordings) -> str:
    """What its runs are called, without the number of a repetition."""
    return _unnumbered([run.run.name for run in side.runs])


def path_of(side: Recordings) -> str:
    """Where they lie, without the number of a repetition."""
    return _unnumbered([str(run.run.path) for run in side.runs])


def _unnumbered(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else _NUMBER.sub("", names[0])
