"""Building blocks of pages: controls, figure cards with their text twin, tiles, tables, error cards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from commscope.compare import Metric
from commscope.errors import CommScopeError
from commscope.figures.drawing.cells import Row, cell, columns, heading
from commscope.figures.metrics import change_words, noise_words, title_of, value_words

MOST_TABLE_ROWS = 40
FIGURE_KINDS = ("figure", "strip")  # a strip is drawn anew for the part that is zoomed into
_AROUND_A_FIGURE = 76  # pixels of title, caption and table line, kept free while the figure is on its way
GRAPH_CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg"},
}
Component = Any
Picks = Mapping[str, str]


def attributes(values: dict[str, str]) -> dict[str, Any]:
    """Attributes whose names Python cannot spell: data-* and aria-*."""
    return dict(values)


def control_id(key: str) -> dict[str, str]:
    """Id of a control; its key is the key in the URL."""
    return {"type": "control", "key": key}


def part_id(key: str) -> dict[str, str]:
    """Id of a part of a page that is written anew when the view changes."""
    return {"type": "part", "key": key}


def select(key: str, label: str, choices: Sequence[tuple[str, str]], value: str) -> Component:
    """A labelled selector that writes `key` into the URL; choices are (value, label)."""
    return dmc.Select(
        id=control_id(key),
        data=[{"value": choice, "label": words} for choice, words in choices],
        value=value,
        allowDeselect=False,
        size="xs",
        w=190,
        **attributes({"aria-label": label}),
    )


def part(key: str) -> Component:
    """A place that `parts.render` fills."""
    return html.Div(id=part_id(key))


def figure_card(key: str, *, height: int, zooms: bool = False, picks: Picks | None = None) -> Component:
    """A figure under its title, the caption that states its finding, and its table.

    `zooms` refines it; `picks` says what a click on a mark picks out, by the coordinate that holds it.
    """
    kind = "strip" if zooms else "figure"
    return html.Figure(
        className="card",
        **attributes({"data-key": key, "data-clicks": json.dumps(picks or {})}),
        style={"minHeight": height + _AROUND_A_FIGURE},
        children=[
            html.H2(id={"type": f"{kind}-title", "key": key}),
            dcc.Graph(
                id={"type": kind, "key": key},
                config=_graph_config(key),
                style={"height": height},
            ),
            html.Figcaption(id={"type": f"{kind}-caption", "key": key}),
            html.Details(
                [
                    html.Summary("table"),
                    html.Button("CSV", id={"type": "csv", "key": key}, className="quiet"),
                    html.Div(id={"type": f"{kind}-twin", "key": key}),
                ]
            ),
        ],
    )


def _graph_config(key: str) -> Any:
    return GRAPH_CONFIG | {"toImageButtonOptions": {"format": "svg", "filename": key}}


def table(rows: Sequence[Row]) -> Component:
    """Rows as a plain table; a long one is cut and says so."""
    if not rows:
        return html.P("nothing to list")
    keys = columns(rows)
    rest = len(rows) - MOST_TABLE_ROWS
    return html.Div(
        className="twin",
        children=[
            html.Table(
                [
                    html.Thead(html.Tr([html.Th(heading(key), scope="col") for key in keys])),
                    html.Tbody(
                        [
                            html.Tr([html.Td(cell(key, row.get(key))) for key in keys])
                            for row in rows[:MOST_TABLE_ROWS]
                        ]
                    ),
                ]
            ),
            html.P(f"… {rest} more rows; the CSV holds all") if rest > 0 else None,
        ],
    )


def tile(metric: Metric | None, *, name: str, steps: str) -> Component:
    """One number of the comparison: candidate, difference in words, baseline, spread."""
    if metric is None:
        return html.Div(
            [html.H3(title_of(name)), html.P("not computed", className="value")], className="tile card"
        )
    absent = "value absent" if metric.candidate is None else "value"
    return html.Div(
        className="tile card",
        title=metric.basis or None,
        **attributes(
            {
                "data-metric": metric.metric,
                "data-candidate": str(metric.candidate),
                "data-baseline": str(metric.baseline),
            }
        ),
        children=[
            html.H3(title_of(metric.metric)),
            html.P(
                [
                    html.Span(value_words(metric, metric.candidate), className=absent),
                    html.Span(change_words(metric), className=f"change {metric.status}"),
                ]
            ),
            html.P(_below(metric, steps), className="soft"),
        ],
    )


def _below(metric: Metric, steps: str) -> str:
    if metric.baseline is None and metric.candidate is None:
        return "in neither run"
    return f"baseline {value_words(metric, metric.baseline)} · {noise_words(metric)}{steps}"


def notice(children: Component, *, kind: str = "plain") -> Component:
    """A banner line; kind is plain, good, warn or bad."""
    return html.Div(children, className=f"banner {kind}", role="status")


def error_card(error: CommScopeError, *, subject: str) -> Component:
    """What went wrong, where, and what to do about it."""
    return html.Div(
        className="card error",
        role="alert",
        children=[
            html.H3(f"{subject}: {error.what}"),
            html.P([html.B("where "), error.where]) if error.where else None,
            html.P([html.B("hint "), error.hint]) if error.hint else None,
        ],
    )


def segmented(key: str, label: str, choices: Sequence[tuple[str, str]], value: str) -> Component:
    """A labelled row of exclusive buttons that writes `key` into the URL."""
    return dmc.SegmentedControl(
        id=control_id(key),
        data=[{"value": choice, "label": words} for choice, words in choices],
        value=value,
        size="xs",
        **attributes({"aria-label": label}),
    )


def slider(key: str, label: str, marks: Sequence[tuple[float, str]], value: float) -> Component:
    """A labelled slider over fixed values that writes `key` into the URL."""
    return html.Div(
        className="slider",
        children=[
            html.Label(label),
            dmc.Slider(
                id=control_id(key),
                value=value,
                min=marks[0][0],
                max=marks[-1][0],
                step=0.25,
                marks=[{"value": at, "label": words} for at, words in marks],
                **attributes({"aria-label": label}),
            ),
        ],
    )


def number(key: str, label: str, value: float | None) -> Component:
    """A labelled number that writes `key` into the URL; empty is none."""
    return dmc.NumberInput(
        id=control_id(key),
        value="" if value is None else value,
        placeholder=label,
        min=0,
        size="xs",
        w=190,
        debounce=True,
        **attributes({"aria-label": label}),
    )
