"""First page: which run is better, by how much, why, and who waits for whom."""

from __future__ import annotations

from dash import html

from commscope.figures.drawing.subject import MEDIAN, Shown, window_choices
from commscope.figures.volume.wire_bytes import PAYLOAD, WIRE
from commscope_dashboard.components import Component, figure_card, part, segmented, select
from commscope_dashboard.pages import focus
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import View

PATH, NAME, TITLE = "/", "Compare", "Compare two runs"
_MEASURES = ((WIRE, "wire bytes"), (PAYLOAD, "payload bytes"))


def layout(library: Library, view: View) -> list[Component]:
    """Selectors, the answer in words and tiles, then four figures; the rest below."""
    runs = [(key, key) for key in library.keys]
    return [
        html.Div(
            className="controls",
            children=[
                select("baseline", "baseline", runs, view.baseline),
                html.Span("vs", className="soft"),
                select("candidate", "candidate", runs, view.candidate),
                select("step", "step", step_choices(library, view.step), view.step),
                segmented("measure", "bytes to show", _MEASURES, view.measure),
                *focus.pick(library, view),
            ],
        ),
        part("failures"),
        part("banner"),
        part("verdict"),
        part("tiles"),
        html.Div(
            className="grid",
            children=[
                figure_card("compare-breakdown", height=205, picks=focus.RANK),
                figure_card("compare-volume", height=205, picks=focus.VOLUME),
                figure_card("compare-critical-path", height=205, zooms=True, picks=focus.RANK),
                figure_card("compare-stalls", height=190, picks=focus.CULPRIT),
            ],
        ),
        part("gaps"),
        html.Div(
            className="grid",
            children=[
                figure_card("compare-waits", height=300, picks=focus.RANK),
                figure_card("compare-memory", height=300),
                figure_card("compare-saved", height=300),
            ],
        ),
    ]


def step_choices(library: Library, chosen: str) -> list[tuple[str, str]]:
    """Median step, the steps that all runs share, the whole capture, and what the URL asked for."""
    shown = [Shown(run.key, run.analysis, "") for run in library.readable if run.analysis is not None]
    names = list(window_choices(shown)) if shown else []
    words = {MEDIAN: "median step", "capture": "whole capture"}
    if chosen not in names:
        names.append(chosen)
    return [(name, words.get(name, name)) for name in names]


def run_and_step(library: Library, view: View) -> list[Component]:
    """The selectors of pages that show one run."""
    return [
        select("run", "run", [(key, key) for key in library.keys], view.run),
        select("step", "step", step_choices(library, view.step), view.step),
        *focus.pick(library, view),
    ]
