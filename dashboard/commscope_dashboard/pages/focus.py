"""What the reader picked out of the runs: one chip for each choice, by a click on a figure or by keyboard."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html

from commscope_dashboard.components import Component, attributes, control_id
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import View

_MOST_INSTANCES = 10_000_000

# Coordinate of a clicked mark -> what it picks out.
RANK = {"y": "rank"}
CULPRIT = {"x": "rank"}
VOLUME = {"x": "phase", "name": "collective"}
KIND = {"x": "collective"}
NAMED_KIND = {"name": "collective"}
INSTANCE = {"x": "instance"}


def pick(library: Library, view: View) -> list[Component]:
    """Chips that can be cleared; empty ones show everything. Figures and tables below follow them."""
    runs = [run.analysis for run in library.readable if run.analysis is not None]
    ranks = sorted({rank for run in runs for rank in run.ranks})
    phases = list(dict.fromkeys(phase for run in runs for phase in run.instances["phase"].dropna().unique()))
    kinds = sorted({kind for run in runs for kind in run.instances["collective"].dropna().unique()})
    chosen = view.focus
    return [
        html.Div(
            className="picks",
            role="group",
            **attributes({"aria-label": "show only; a click on a figure sets these"}),
            children=[
                _chip("rank", "all ranks", [(str(rank), f"rank {rank}") for rank in ranks], chosen.rank),
                _chip("phase", "all phases", [(phase, phase) for phase in phases], chosen.phase),
                _chip("collective", "all collectives", [(kind, kind) for kind in kinds], chosen.collective),
                dmc.NumberInput(
                    id=control_id("instance"),
                    value="" if chosen.instance is None else chosen.instance,
                    placeholder="all instances",
                    prefix="instance ",
                    min=0,
                    max=_MOST_INSTANCES,
                    allowDecimal=False,
                    hideControls=True,
                    size="xs",
                    w=106,
                    debounce=True,
                    **attributes({"aria-label": "show only instance"}),
                ),
                html.Button("show all", id="show-all", className="quiet"),
            ],
        )
    ]


def _chip(key: str, everything: str, choices: list[tuple[str, str]], value: object) -> Component:
    return dmc.Select(
        id=control_id(key),
        data=[{"value": choice, "label": words} for choice, words in choices],
        value=None if value is None else str(value),
        placeholder=everything,
        clearable=True,
        size="xs",
        w=124,
        **attributes({"aria-label": f"show only {key}"}),
    )
