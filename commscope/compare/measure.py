"""What one run measures, per step and rank: Analysis -> {name: Measurement}."""

from __future__ import annotations

from statistics import median

from commscope.analysis.result import Analysis
from commscope.compare.measurement import Measurement
from commscope.compare.moved import moved_measurements
from commscope.compare.timed import recorded_step_times, timed_measurements


def measure(analysis: Analysis) -> dict[str, Measurement]:
    """All metrics of a run by name."""
    found = [*timed_measurements(analysis), *moved_measurements(analysis)]
    return {measurement.metric: measurement for measurement in found}


def capture_overhead(analysis: Analysis) -> float | None:
    """Profiled over unprofiled step time, less one; None where one of them was not recorded."""
    with_profiler = recorded_step_times(analysis, profiled=True)
    without = recorded_step_times(analysis, profiled=False)
    return median(with_profiler) / median(without) - 1 if with_profiler and without else None
