"""Windows over all ranks: takes each rank's windows on the common clock, gives those of the run."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace

from commscope.analysis.result import Window
from commscope.schema import CAPTURE

_LONGEST_GAP = 10  # between steps that follow one another: a tenth of a step


def windows_of_run(
    rank_windows: Mapping[int, Iterable[Window]], tied: Container[int] | None = None
) -> tuple[Window, ...]:
    """The capture from its earliest start to its latest end over the ranks, then the steps.

    Each step ends where it ended on the last rank, and begins where the one before it ended. Empty windows,
    and those of ranks that are not `tied` to the others' clock (None: all are), only add what nobody else
    has.
    """
    told = [(rank, window) for rank, windows in rank_windows.items() for window in windows]
    placed = [one for rank, one in told if (tied is None or rank in tied) and one.span_ns > 0]
    spans: dict[str, Window] = {}
    for window in placed:
        seen = spans.get(window.name, window)
        spans[window.name] = replace(
            window, start_ns=min(seen.start_ns, window.start_ns), end_ns=max(seen.end_ns, window.end_ns)
        )
    for _, window in told:
        spans.setdefault(window.name, window)
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
