"""What the reader looks at: the query of the URL -> View, and back. Unknown values fall to defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commscope.figures.drawing.subject import EVERYTHING, MEDIAN, NO_PHASE, Focus
from commscope.figures.volume.wire_bytes import PAYLOAD, WIRE
from commscope.schema import Collective, Phase
from commscope.theory.gpus import GPUS
from commscope_dashboard.runs.library import Library

Query = Mapping[str, Any]
SIZES = ("3.6B", "7.5B", "22B", "76B")  # of the explorer
DEGREES = (1, 2, 4, 8, 16, 32)
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
    plan_gpu: str = "h100"  # of the explorer
    plan_size: str = "22B"
    plan_tp: int = 8
    plan_sp: str = "yes"
    plan_batch_log2: float = 2.0
    plan_seq_log2: float = 11.0
    plan_node_log2: float = 3.0


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
        **_plan(query),
    )


def _plan(query: Query) -> dict[str, Any]:
    """The explorer's controls."""
    return {
        "plan_gpu": _choice(query.get("plan_gpu"), tuple(GPUS), "h100"),
        "plan_size": _choice(query.get("plan_size"), SIZES, "22B"),
        "plan_tp": int(_choice(query.get("plan_tp"), tuple(map(str, DEGREES)), "8")),
        "plan_sp": _choice(query.get("plan_sp"), ("yes", "no"), "yes"),
        "plan_batch_log2": _within(query.get("plan_batch_log2"), 2.0, (0, 6)),
        "plan_seq_log2": _within(query.get("plan_seq_log2"), 11.0, (10, 17)),
        "plan_node_log2": _within(query.get("plan_node_log2"), 3.0, (0, 6)),
    }


def _within(value: object, default: float, ends: tuple[int, int]) -> float:
    """A whole number of doublings within its slider."""
    number = round(_number(value, default))
    return float(number) if ends[0] <= number <= ends[1] else default


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
