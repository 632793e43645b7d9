"""What the reader looks at: the query of the URL -> View, and back. Unknown values fall to defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commscope.figures.drawing.subject import EVERYTHING, MEDIAN, NO_PHASE, Focus
from commscope.figures.volume.wire_bytes import PAYLOAD, WIRE
from commscope.schema import Collective, Phase
from commscope_dashboard.runs.library import Library

Query = Mapping[str, Any]
_LARGEST = 20.0
_FASTEST_GBPS = 1e6
_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class View:
    """One selection for all pages: keys of runs, the name of a window, a measure, the what-if scenario."""

    baseline: str = ""
    candidate: str = ""
    run: str = ""
    step: str = MEDIAN
    measure: str = WIRE
    bandwidth_log2: float = 0.0  # doublings of the recorded bandwidth
    latency: float = 1.0  # times the recorded one
    stragglers: str = "yes"  # no: no rank works longer than the median one
    link_gbps: float | None = None  # a reference line of the bandwidth figure
    communication: str = "paid"  # free: transfers take no time
    focus: Focus = EVERYTHING  # what the reader picked out of the runs


def view_of(library: Library, query: Query | None) -> View:
    """The view a query describes, on runs that are there."""
    query = query if isinstance(query, Mapping) else {}
    keys = library.keys
    first = keys[0] if keys else ""
    baseline = _choice(query.get("baseline"), keys, first)
    other = next((key for key in keys if key != baseline), baseline)
    return View(
        baseline=baseline,
        candidate=_choice(query.get("candidate"), keys, other),
        run=_choice(query.get("run"), keys, first),
        step=_choice(query.get("step"), _steps(library), MEDIAN),
        measure=_choice(query.get("measure"), (WIRE, PAYLOAD), WIRE),
        bandwidth_log2=_number(query.get("bandwidth_log2"), 0.0),
        latency=abs(_number(query.get("latency"), 1.0)),
        link_gbps=_positive(query.get("link_gbps")),
        stragglers=_choice(query.get("stragglers"), ("yes", "no"), "yes"),
        communication=_choice(query.get("communication"), ("paid", "free"), "paid"),
        focus=Focus(
            rank=_rank(library, query.get("rank")),
            phase=_choice(query.get("phase"), (*Phase, NO_PHASE), "") or None,
            collective=_choice(query.get("collective"), tuple(Collective), "") or None,
            instance=_whole(query.get("instance")),
        ),
    )


def _steps(library: Library) -> tuple[str, ...]:
    """Windows of any run: what is no window must not become a key of what is kept."""
    runs = [run.analysis for run in library.readable if run.analysis is not None]
    return (MEDIAN, *dict.fromkeys(window.name for run in runs for window in run.windows))


def _choice(value: object, known: tuple[str, ...], default: str) -> str:
    return str(value) if value in known else default


def _rank(library: Library, value: object) -> int | None:
    runs = [run.analysis for run in library.readable if run.analysis is not None]
    rank = _whole(value)
    return rank if any(rank in run.ranks for run in runs) else None


def _whole(value: object) -> int | None:
    text = str(value) if isinstance(value, int | str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _positive(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 < number < _FASTEST_GBPS else None


def _number(value: object, default: float) -> float:
    try:
        number = float(str(value))
    except ValueError:
        return default
    return number if -_LARGEST <= number <= _LARGEST else default
