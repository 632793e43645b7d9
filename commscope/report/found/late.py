"""The largest waits and what the late ranks did before them: Analysis -> a section, and words for a path."""

from __future__ import annotations

from commscope.analysis.naming import activity_words, late_words, place_words
from commscope.analysis.result import Analysis, CriticalPath, LateArrival
from commscope.report.sections import Section
from commscope.schema import CAPTURE
from commscope.units import format_percent, format_time

MOST_LATE = 10
_NAMES = 3  # activities of a path
_SMALL = 0.01  # of a path: less is not named


def late_section(analysis: Analysis, window: str, most: int = MOST_LATE) -> Section | None:
    """A sentence for each of the largest waits of a window: which rank, and what it did before."""
    late = late_in(analysis, window)
    if not late:
        return None
    more = len(late) - most
    note = (f"… {more} more",) if more > 0 else ()
    return Section(
        "The largest waits, and what the late rank did longer than the one that waited",
        (*(f"- {_sentence(one)}" for one in late[:most]), *note),
    )


def late_in(analysis: Analysis, window: str) -> tuple[LateArrival, ...]:
    """The late arrivals of a window, the longest wait first; `capture` holds all."""
    return tuple(one for one in analysis.late_arrivals if window in (CAPTURE, one.window))


def _sentence(one: LateArrival) -> str:
    waited = f"rank {one.victim}" if one.victims == 1 else f"{one.victims} ranks"
    return f"{late_words(one)} ({waited} waited, {format_time(one.total_wait_ns)} together)."


def named_path(path: CriticalPath) -> str | None:
    """A sentence on what takes most of a path, by name; None where nothing of it is named."""
    told = [one for one in path.spent if one[2] >= _SMALL * path.length_ns][:_NAMES]
    if not told:
        return None
    names = ", ".join(
        f"{activity_words(activity)}{place_words(activity.phase, activity.layer)} on rank {rank} "
        f"{format_time(time_ns)} ({format_percent(time_ns / path.length_ns)})"
        for rank, activity, time_ns in told
    )
    return f"By name, at least: {names}."
