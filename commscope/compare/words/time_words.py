"""What can be said of the step time: Comparison -> words that claim no more than the recordings show."""

from __future__ import annotations

from commscope.analysis.summary import step_windows
from commscope.compare.decision import SMALLEST_CHANGE
from commscope.compare.result import Comparison, Metric
from commscope.units import format_percent, format_time


def short_time(comparison: Comparison) -> str:
    """`step slower in 3 of 3, by 18 to 24 %`, or that it is not shown."""
    step = _known(comparison)
    if not comparison.comparable or step is None:
        return "step times cannot be compared"
    if comparison.is_time_shown:
        return f"step {_word(step)} in {_of_pairs(step)}, by {_range(step)}"
    if abs(step.change or 0.0) <= SMALLEST_CHANGE:
        return "no difference in step time is shown"
    return f"step not shown {_word(step)}"


def time_words(comparison: Comparison) -> str:
    """The step times of both sides, how sure their difference is, and why not."""
    if not comparison.comparable:
        return _not_comparable(comparison)
    step = comparison.metric("step.time")
    if step is None or step.baseline is None or step.candidate is None:
        return f"The step times cannot be compared: {step.why if step is not None else 'not captured'}."
    what = "Step" if span_words(comparison) == "a step" else "Capture"
    times = f"{format_time(step.baseline)} → {format_time(step.candidate)}"
    told = f"{what} {times} ({format_percent(step.change, signed=True)}{_kind(step)})"
    if comparison.is_time_shown:
        return f"{told}: {_word(step)} in {_of_pairs(step)} recordings, by {_range(step)}."
    if step.status == "same":
        return f"{told}: the same."
    pairs = _pairs(step)
    seen = f" (it was in {_of_pairs(step)} recordings)" if len(pairs) > 1 else ""
    return f"{told}: not shown {_word(step)}{seen}: {step.doubt}."


def span_words(comparison: Comparison) -> str:
    """Whether times are of a step."""
    stepped = all(step_windows(run) for run in (comparison.baseline, comparison.candidate))
    return "a step" if stepped else "over the whole capture"


def basis_words(metric: Metric) -> str:
    """Whether a time was taken with the profiler on: plain and profiled times are not of the same step."""
    if metric.kind != "timed" or metric.unit != "ns" or metric.status == "missing":
        return ""
    return "plain" if "unprofiled" in metric.basis else "profiled"


def _kind(step: Metric) -> str:
    return ", without the profiler" if basis_words(step) == "plain" else ", profiled"


def _known(comparison: Comparison) -> Metric | None:
    step = comparison.metric("step.time")
    return None if step is None or step.baseline is None or step.candidate is None else step


def _not_comparable(comparison: Comparison) -> str:
    before, after = comparison.names
    breaking = [row for row in comparison.differences if row.breaks]
    what = ", ".join(f"{row.field} {row.candidate} against {row.baseline}" for row in breaking[:3])
    more = f" and {len(breaking) - 3} more" if len(breaking) > 3 else ""
    return f"{after} and {before} cannot be compared in time, for they differ in {what}{more}."


def _word(step: Metric) -> str:
    return "slower" if (step.candidate or 0) > (step.baseline or 0) else "faster"


def _pairs(step: Metric) -> list[float]:
    """Candidate over baseline, less one: recordings made one after the other, else all with the median."""
    before, after = step.by_run
    if len(before) == len(after):
        return [new / old - 1 for old, new in zip(before, after, strict=True) if old]
    return [new / step.baseline - 1 for new in after] if step.baseline else []


def _of_pairs(step: Metric) -> str:
    pairs = _pairs(step)
    slower = _word(step) == "slower"
    return f"{sum((pair > 0) == slower and pair != 0 for pair in pairs)} of {len(pairs)}"


def _range(step: Metric) -> str:
    sizes = sorted(abs(pair) for pair in _pairs(step))
    low, high = format_percent(sizes[0]), format_percent(sizes[-1])
    return low if low == high else f"{low.removesuffix(' %')} to {high}"
