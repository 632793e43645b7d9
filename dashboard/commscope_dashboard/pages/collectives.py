"""Collectives of one run: who comes late, how long they wait and transfer, what bandwidth they reach."""

from __future__ import annotations

from dataclasses import replace

import dash_ag_grid as dag
from dash import dcc, html

from commscope.analysis.summary import collective_totals
from commscope.figures.drawing.cells import heading
from commscope.figures.drawing.subject import Focused, shown
from commscope_dashboard.components import Component, figure_card, number, part
from commscope_dashboard.pages import focus
from commscope_dashboard.pages.compare import run_and_step
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import View

_TALL = {"wrapHeaderText": True, "autoHeaderHeight": True}
GRID = "collectives-grid"
PATH, NAME, TITLE = "/collectives", "Collectives", "Collectives of a run"
_KEYS = ("collective", "phase", "role", "group", "group_size", "dtype", "payload_bytes")
_NUMBERS = (
    "count",
    "group_size",
    "payload_bytes",
    "total_payload_bytes",
    "total_wire_bytes",
    "duration_ns",
    "wait_ns",
    "transfer_ns",
)


def layout(library: Library, view: View) -> list[Component]:
    """The lateness map first, then spreads and bandwidth, then all collectives as a table."""
    return [
        html.Div(
            className="controls",
            children=[
                *run_and_step(library, view),
                number("link_gbps", "link to compare with, GB/s", view.link_gbps),
            ],
        ),
        part("failures"),
        figure_card("lateness", height=300, picks=focus.INSTANCE),
        html.Div(
            className="grid",
            children=[
                figure_card("wait-transfer", height=330, picks=focus.KIND),
                figure_card("busbw", height=330, picks=focus.NAMED_KIND),
            ],
        ),
        html.Section(
            className="card",
            children=[
                html.Div(
                    className="controls",
                    children=[
                        html.H2("All collectives of the window, summed over ranks"),
                        html.Button("CSV", id={"type": "export", "key": "collectives"}, className="quiet"),
                    ],
                ),
                dcc.Store(id={"type": "grid-ready", "key": GRID}),
                html.Div(id={"type": "late", "key": GRID}),
            ],
        ),
    ]


def grid(library: Library, view: View) -> Component:
    """Collectives grouped by everything but the times, sortable, filterable, exportable."""
    analysis = library.analysis(view.run)
    if analysis is None:
        return html.P("no run to show")
    run = shown(Focused(analysis, view.focus), view.step)[0]
    totals = collective_totals(replace(analysis, instances=run.instances), run.window, _KEYS)
    columns = [name for name in totals.columns if name in (*_KEYS, *_NUMBERS)]
    rows = totals[columns].astype(object).where(totals[columns].notna(), None).to_dict("records")
    return dag.AgGrid(
        id={"type": "grid", "key": "collectives"},
        rowData=rows,
        columnDefs=[_column(name) for name in columns],
        defaultColDef={"sortable": True, "filter": True, "resizable": True, "minWidth": 120, **_TALL},
        columnSize="responsiveSizeToFit",
        csvExportParams={"fileName": f"{view.run}-collectives.csv"},
        dashGridOptions={"domLayout": "autoHeight", "pagination": True, "paginationPageSize": 20},
        style={"height": None},
    )


def _column(name: str) -> dict[str, object]:
    column: dict[str, object] = {"field": name, "headerName": heading(name)}
    for ending, words in (("_ns", "time"), ("_bytes", "size")):
        if name.endswith(ending):
            column |= {"valueFormatter": {"function": f"{words}(params.value)"}}
    if name in _NUMBERS:
        column |= {"type": "numericColumn", "filter": "agNumberColumnFilter"}
    return column
