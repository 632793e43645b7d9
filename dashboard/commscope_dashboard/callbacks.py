"""What happens when the reader changes something: one selection, one callback a figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, Patch, State, ctx, no_update
from flask import abort

from commscope.figures.drawing.cells import Row, columns
from commscope_dashboard import charts, parts
from commscope_dashboard.components import table
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import Query, view_of

_CLIENT = "commscope"


def register(app: Dash, library: Library) -> None:
    """Connect all callbacks."""
    _register_client(app)
    _register_figures(app, library)

    @app.callback(
        Output({"type": "part", "key": MATCH}, "children"),
        Input("asked", "data"),
        prevent_initial_call=True,  # the layout brings what is shown at first
    )
    def show_part(query: Query) -> Any:
        return part(library, query, _asked_for(ctx.outputs_list))

    @app.callback(
        Output({"type": "late", "key": MATCH}, "children"),
        Input({"type": "grid-ready", "key": MATCH}, "data"),
        Input("asked", "data"),
        State("view", "data"),
    )
    def show_late(ready: bool | None, _: Query, query: Query) -> Any:
        return part(library, query, _asked_for(ctx.outputs_list)) if ready else no_update

    @app.callback(
        Output("download", "data"),
        Input({"type": "csv", "key": ALL}, "n_clicks"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def download(clicks: Sequence[int | None], query: Query) -> Any:
        return csv_of(library, query, _key_in(ctx.triggered_id)) if any(clicks) else no_update

    @app.callback(
        Output({"type": "grid", "key": MATCH}, "exportDataAsCsv"),
        Input({"type": "export", "key": MATCH}, "n_clicks"),
        prevent_initial_call=True,
    )
    def export(clicks: int | None) -> Any:
        return True if clicks else no_update


def _register_figures(app: Dash, library: Library) -> None:
    for kind in ("figure", "strip"):
        _register_cards(app, library, kind)

    @app.callback(
        Output({"type": "strip", "key": MATCH}, "figure", allow_duplicate=True),
        Input({"type": "strip", "key": MATCH}, "relayoutData"),
        State("view", "data"),
        State("scheme-now", "data"),
        prevent_initial_call=True,
    )
    def refine(relayout: dict[str, Any] | None, query: Query, scheme: str | None) -> Any:
        figure = refined(library, query, _asked_for(ctx.outputs_list), relayout)
        return no_update if figure is None else charts.in_scheme(figure, scheme)

    @app.callback(
        Output({"type": "figure", "key": ALL}, "figure", allow_duplicate=True),
        Output({"type": "strip", "key": ALL}, "figure", allow_duplicate=True),
        Input("scheme-now", "data"),
        State({"type": "figure", "key": ALL}, "id"),
        State({"type": "strip", "key": ALL}, "id"),
        prevent_initial_call=True,
    )
    def recolour(scheme: str | None, figures: Sequence[Any], strips: Sequence[Any]) -> Any:
        return [in_scheme_only(scheme) for _ in figures], [in_scheme_only(scheme) for _ in strips]


def _register_cards(app: Dash, library: Library, kind: str) -> None:
    @app.callback(
        Output({"type": kind, "key": MATCH}, "figure"),
        Output({"type": kind, "key": MATCH}, "className"),
        Output({"type": f"{kind}-title", "key": MATCH}, "children"),
        Output({"type": f"{kind}-caption", "key": MATCH}, "children"),
        Output({"type": f"{kind}-twin", "key": MATCH}, "children"),
        Input("asked", "data"),
        prevent_initial_call=True,
    )
    def show_figure(query: Query) -> Any:
        drawn = charts.draw(library, view_of(library, query), _asked_for(ctx.outputs_list))
        figure = charts.in_scheme(drawn.figure, query.get("scheme") if isinstance(query, Mapping) else None)
        return figure, charts.class_of(drawn.figure), drawn.title, drawn.caption, table(drawn.rows)


def _register_client(app: Dash) -> None:
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction(_CLIENT, "gather"),
        Output("view", "data"),
        Output("asked", "data"),
        Input({"type": "control", "key": ALL}, "value"),
        State({"type": "control", "key": ALL}, "id"),
        State("view", "data"),
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction(_CLIENT, "pick"),
        Output("picked", "data"),
        Input({"type": "figure", "key": ALL}, "clickData"),
        Input({"type": "strip", "key": ALL}, "clickData"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction(_CLIENT, "grid"),
        Output({"type": "grid-ready", "key": MATCH}, "data"),
        Input({"type": "grid-ready", "key": MATCH}, "id"),
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction(_CLIENT, "share"),
        Output("shared", "data"),
        Output({"type": "nav", "key": ALL}, "href"),
        Input("view", "data"),
        State({"type": "nav", "key": ALL}, "id"),
        State({"type": "control", "key": ALL}, "id"),
    )


def _asked_for(outputs: Any) -> str:
    """Which part or figure a request names; one that names none is refused."""
    first = outputs[0] if isinstance(outputs, list) and outputs else outputs
    return _key_in(first.get("id") if isinstance(first, Mapping) else None)


def _key_in(place: Any) -> str:
    key = place.get("key") if isinstance(place, Mapping) else None
    if not isinstance(key, str) or not (key in parts.PARTS or charts.is_known(key)):
        abort(400)
    return key


def part(library: Library, query: Query, key: str) -> Any:
    """The part of a page for a query."""
    return parts.render(library, view_of(library, query), key)


def refined(library: Library, query: Query, key: str, relayout: dict[str, Any] | None) -> Any:
    """The strip in the detail of the zoomed range; None where the range did not change."""
    zoom = charts.zoom_of(relayout)
    if zoom == "same":
        return None
    return charts.zoomed(library, view_of(library, query), key, None if isinstance(zoom, str) else zoom)


def in_scheme_only(scheme: str | None) -> Patch:
    """A patch that changes nothing but the template."""
    patch = Patch()
    patch["layout"]["template"] = charts.looks("dark" if scheme == "dark" else "light")
    return patch


def csv_of(library: Library, query: Query, key: str) -> dict[str, Any]:
    """All rows of a figure's twin as a CSV file."""
    rows = charts.draw(library, view_of(library, query), key).rows
    return {"content": csv_text(rows), "filename": f"commscope-{key}.csv", "type": "text/csv"}


def csv_text(rows: Sequence[Row]) -> str:
    """Rows as CSV, units in the column names."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=columns(rows))
    writer.writeheader()
    writer.writerows({key: _as_cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _as_cell(value: object) -> object:
    """A text no spreadsheet takes for a formula (OWASP, CSV injection); numbers as they are."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if value.lstrip().startswith(("=", "+", "-", "@")) else value
