"""Critical path and what-if: what the step consists of, and how long it would take otherwise."""

from __future__ import annotations

from dash import html

from commscope_dashboard.components import Component, figure_card, part, segmented, slider
from commscope_dashboard.pages import focus
from commscope_dashboard.pages.compare import run_and_step
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import View

PATH, NAME, TITLE = "/path", "Critical path", "Critical path and what-if"
_DOUBLINGS = ((-2.0, "¼×"), (-1.0, "½×"), (0.0, "1×"), (1.0, "2×"), (2.0, "4×"), (3.0, "8×"))
_LATENCIES = ((0.0, "none"), (0.5, "½×"), (1.0, "1×"), (2.0, "2×"))


def layout(library: Library, view: View) -> list[Component]:
    """The path as a strip, then the controls of the replay and its answer."""
    return [
        html.Div(
            className="controls",
            children=[
                *run_and_step(library, view),
            ],
        ),
        part("failures"),
        figure_card("critical-path", height=320, zooms=True, picks=focus.RANK),
        html.Section(
            className="card",
            children=[
                html.H2("What if"),
                html.Div(
                    className="whatif",
                    children=[
                        slider("bandwidth_log2", "bandwidth", _DOUBLINGS, view.bandwidth_log2),
                        slider("latency", "latency of a collective", _LATENCIES, view.latency),
                        _choice(
                            "stragglers",
                            "stragglers",
                            (("yes", "as recorded"), ("no", "removed")),
                            view.stragglers,
                        ),
                        _choice(
                            "communication",
                            "communication",
                            (("paid", "as recorded"), ("free", "free")),
                            view.communication,
                        ),
                    ],
                ),
                part("whatif-answer"),
            ],
        ),
        figure_card("whatif", height=240),
    ]


def _choice(key: str, label: str, choices: tuple[tuple[str, str], ...], value: str) -> Component:
    return html.Div([html.Label(label), segmented(key, label, choices, value)], className="slider")
