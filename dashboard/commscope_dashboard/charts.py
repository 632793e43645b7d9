"""Which figure stands behind a key: View and Library -> figure, caption and rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import plotly.graph_objects as go

from commscope.analysis.result import Analysis
from commscope.compare import Comparison
from commscope.figures.breakdown import critical_path_strip, timeline
from commscope.figures.catalog import BUSBW, CHARTS, PAYLOAD, PHASES, TIMELINE, WIRE, Chart
from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import EVERYTHING, Focus, Focused, Subject, shown
from commscope.figures.drawing.theme import nothing, template
from commscope.figures.volume import busbw
from commscope.figures.volume.wire_bytes import PAYLOAD as PAYLOAD_MEASURE
from commscope_dashboard import explorer, scenarios
from commscope_dashboard.runs.library import Library
from commscope_dashboard.runs.links import link_of
from commscope_dashboard.view import View

COMPARE_PREFIX = "compare-"
_OF_COLLECTIVES = {"volume", "stalls", "waits", "lateness", "wait-transfer", "busbw"}
_NOTHING = "Nothing of what is picked out is in this window"
_OF_RANKS = {"breakdown", "phases", "memory"}
_FARTHEST = 1e15  # of an axis in its own unit
VOLUME, WHATIF = "volume", "whatif"
_KNOWN = {chart.key: chart for chart in (*CHARTS, TIMELINE, PHASES)}
_ZOOMED: dict[str, Callable[[Subject, str, tuple[float, float] | None], go.Figure]] = {
    "critical-path": critical_path_strip.draw,
    "timeline": timeline.draw,
}
Zoom = tuple[float, float]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a figure card shows; the title stands above the figure, plotly's JSON without template."""

    title: str
    figure: Json
    caption: str
    rows: list[Row]


def is_known(key: str) -> bool:
    """Whether a figure stands behind the key."""
    name = key.removeprefix(COMPARE_PREFIX)
    return name in {*_KNOWN, VOLUME} or key in (WHATIF, *explorer.FIGURES)


def draw(library: Library, view: View, key: str) -> Drawn:
    """The figure of a key with its caption and rows, in the light scheme; drawn once for each view."""
    return library.remember((view, key), lambda: drawn_anew(library, view, key))


def drawn_anew(library: Library, view: View, key: str) -> Drawn:
    """The same, drawn now."""
    if key in explorer.FIGURES:
        return _drawn(explorer.draw(view, key), explorer.caption(view, key), explorer.rows(view, key))
    if key == WHATIF:
        caption, rows = scenarios.caption(library, view), scenarios.rows(library, view)
        return _drawn(scenarios.draw(library, view), caption, rows)
    found = _subject(library, view, key)
    if found is None:
        return _drawn(nothing("No run", "no run to show"), "Choose a run that could be read.", [])
    chart = _chart(view, key)
    caption, rows = chart.caption(found, view.step), chart.table(found, view.step)
    figure = _with_link(found, library, view) if key == BUSBW.key else chart.draw(found, view.step)
    if _picked_nothing(found, view, key):
        figure, caption, rows = nothing(str(figure.layout.title.text), _NOTHING), f"{_NOTHING}; show all.", []
    drawn = _drawn(figure, caption, rows)
    return replace(drawn, title=drawn.title + _only(_touching(view.focus, key)))


def _with_link(subject: Subject, library: Library, view: View) -> go.Figure:
    """Bandwidth beside the link that run.json tells, and the one that the reader names."""
    run, analysis = library.run(view.run), library.analysis(view.run)
    told = link_of(run.path, analysis.run.devices) if run is not None and analysis is not None else None
    named = None if view.link_gbps is None else busbw.Reference("link", view.link_gbps)
    return busbw.draw(subject, view.step, [line for line in (told, named) if line is not None])


def _drawn(figure: go.Figure, caption: str, rows: list[Row]) -> Drawn:
    return Drawn(str(figure.layout.title.text), fluid(figure), caption, rows)


def _picked_nothing(found: Subject, view: View, key: str) -> bool:
    """Whether the choice leaves no collective of those that a figure of collectives would show."""
    runs = shown(found, view.step)
    left_out = all(run.instances.empty for run in runs) and any(not run.all_instances.empty for run in runs)
    return left_out and key.removeprefix(COMPARE_PREFIX) in _OF_COLLECTIVES


def _touching(focus: Focus, key: str) -> Focus:
    """The part of the focus that this figure follows: what holds no collectives follows the rank alone."""
    return replace(EVERYTHING, rank=focus.rank) if key.removeprefix(COMPARE_PREFIX) in _OF_RANKS else focus


def _only(focus: Focus) -> str:
    """What is picked out, behind the title of a figure."""
    parts = (
        "" if focus.rank is None else f"rank {focus.rank}",
        focus.phase or "",
        focus.collective or "",
        "" if focus.instance is None else f"instance {focus.instance}",
    )
    words = ", ".join(part for part in parts if part)
    return f" · only {words}" if words else ""


def zoomed(library: Library, view: View, key: str, zoom: Zoom | None) -> Json | None:
    """A strip drawn for a part of its axis, given in the axis' own unit; None where there is none."""
    subject = _subject(library, view, key)
    strip = _ZOOMED.get(key.removeprefix(COMPARE_PREFIX))
    if subject is None or strip is None:
        return None
    whole = draw(library, view, key).figure
    if zoom is None or "meta" not in whole["layout"]:
        return whole
    divisor = float(whole["layout"]["meta"]["ns_per_unit"])
    return fluid(strip(subject, view.step, (zoom[0] * divisor, zoom[1] * divisor)))


def fluid(figure: go.Figure) -> Json:
    """The figure as JSON, as tall as its card and as wide as its column; the card says its title."""
    spec: Json = figure.to_plotly_json()
    own = {name: part for name, part in spec["layout"].items() if name not in {"height", "title", "template"}}
    top = 28 if own.get("annotations") else 8  # titles of subplots are annotations
    return spec | {"layout": own | {"autosize": True, "margin": {"t": top}}}


def zoom_of(relayout: dict[str, Any] | None) -> Zoom | str:
    """The x range a reader zoomed to, `whole`, or `same` where the range did not change."""
    relayout = relayout if isinstance(relayout, dict) else {}
    pair = relayout.get("xaxis.range") or [relayout.get(f"xaxis.range[{n}]") for n in (0, 1)]
    if isinstance(pair, list) and len(pair) == 2 and all(_is_finite(one) for one in pair):
        return float(pair[0]), float(pair[1])
    return "whole" if relayout.get("xaxis.autorange") else "same"


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < _FARTHEST


def class_of(figure: Json) -> str:
    """`empty` for a figure that says only why there is none: its card takes no room."""
    return "empty" if (figure["layout"].get("meta") or {}).get("empty") else ""


def in_scheme(figure: Json, scheme: str | None) -> Json:
    """The figure in the colour scheme of the browser."""
    return figure | {
        "layout": figure["layout"] | {"template": looks("dark" if scheme == "dark" else "light")}
    }


@cache
def looks(scheme: str) -> Json:
    """The template of a scheme as JSON."""
    spec: Json = template(scheme).to_plotly_json()
    return spec


def _chart(view: View, key: str) -> Chart:
    name = key.removeprefix(COMPARE_PREFIX)
    if name == VOLUME:
        return PAYLOAD if view.measure == PAYLOAD_MEASURE else WIRE
    return _KNOWN[name]


def _subject(library: Library, view: View, key: str) -> Subject | None:
    subject = _whole_subject(library, view, key)
    return subject if subject is None or view.focus == EVERYTHING else Focused(subject, view.focus)


def _whole_subject(library: Library, view: View, key: str) -> Analysis | Comparison | None:
    if not key.startswith(COMPARE_PREFIX):
        return library.analysis(view.run)
    found = library.comparison(view.baseline, view.candidate)
    if isinstance(found, Comparison) and view.baseline != view.candidate:
        return found
    return library.analysis(view.candidate)
