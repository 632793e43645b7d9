"""Windows over all ranks: takes each rank's windows on the common clock, gives those of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from commscope.analysis.result import Window
from commscope.schema import CAPTURE

_LONGEST_GAP = 10  # between steps that follow one another: a tenth of a step


def windows_of_run(rank_windows: Mapping[int, Iterable[Window]]) -> tuple[Window, ...]:
    """The capture from its earliest start to its latest end over the ranks, then the steps.

    Each step ends where it ended on the last rank, and begins where the one before it ended.
    """
    spans: dict[str, Window] = {}
    for window in (window for windows in rank_windows.values() for window in windows):
        seen = spans.get(window.name, window)
        spans[window.name] = replace(
            window, start_ns=min(seen.start_ns, window.start_ns), end_ns=max(seen.end_ns, window.end_ns)
        )
    steps = cut_at_ends(window for window in spans.values() if window.name != CAPTURE)
    capture = tuple(window for window in spans.values() if window.name == CAPTURE)
    return (*capture, *steps)


def cut_at_ends(steps: Iterable[Window]) -> tuple[Window, ...]:
    """Steps of several ranks, each from the end of the one before it, so that none overlap.

    A step begins where it was marked if that is later by more than a tenth of its length: what lies between
    is then no step's.
    """
    cut: list[Window] = []
    for step in sorted(steps, key=lambda one: (one.end_ns, one.start_ns)):
        start = step.start_ns
        if cut and start < cut[-1].end_ns + step.span_ns // _LONGEST_GAP:
            start = cut[-1].end_ns
        cut.append(replace(step, start_ns=start))
    return tuple(cut)
