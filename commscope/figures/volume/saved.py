"""What a layer keeps for backward: Analysis | Comparison -> bars by module, measured and by closed form."""

from __future__ import annotations

import plotly.graph_objects as go

from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import Shown, Subject, shown
from commscope.figures.drawing.theme import RUNS, base, marker, nothing
from commscope.theory.memory import SavedRow, largest_difference, saved_rows
from commscope.units import axis_bytes, format_bytes, format_percent

TITLE = "Kept for backward by one layer"


def draw(subject: Subject) -> go.Figure:
    """Bars by module of the first layer; a line marks the closed form."""
    runs = shown(subject)
    largest = max((row.size_bytes for run in runs for row in _first(run)), default=0)
    if not largest:
        return nothing(TITLE, "what autograd keeps was not measured in this run")
    divisor, unit = axis_bytes(largest)
    figure = base(f"{TITLE}, by the module that saves it")
    for run, look in zip(runs, RUNS, strict=False):
        rows = _first(run)
        closed = [row.closed_form_bytes for row in rows]
        figure.add_bar(
            x=[row.item for row in rows],
            y=[row.size_bytes / divisor for row in rows],
            name=run.label,
            marker=marker(look),
            customdata=[format_bytes(size) for size in closed],
            text=[format_bytes(row.size_bytes) for row in rows],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}: %{text}, closed form %{customdata}<extra>" + run.label + "</extra>",
        )
    figure.update_layout(barmode="group")
    figure.update_yaxes(title_text=f"{unit} of one microbatch", rangemode="tozero")
    return figure


def caption(subject: Subject) -> str:
    """Each run's sum, and how far the closed form is."""
    return " ".join(_sentence(run) for run in shown(subject))


def table(subject: Subject) -> list[Row]:
    """Every group of layers and module, measured and by closed form."""
    return [
        {
            "run": run.label,
            "layers": " ".join(map(str, row.layers)) or "outside layers",
            "module": row.item,
            "size_bytes": row.size_bytes,
            "closed_form_bytes": row.closed_form_bytes,
        }
        for run in shown(subject)
        for row in saved_rows(run.analysis.run)
    ]


def _sentence(run: Shown) -> str:
    rows = saved_rows(run.analysis.run)
    if not rows:
        return f"{run.label}: what autograd keeps was not measured."
    told = f"{run.label}: {format_bytes(sum(row.size_bytes for row in _first(run)))} a layer"
    off = largest_difference(rows)
    if off is None:
        return f"{told}; there is no closed form of this run."
    return (
        f"{told}, {'as the closed form says' if off == 0 else f'{format_percent(off)} off the closed form'}."
    )


def _first(run: Shown) -> list[SavedRow]:
    return [row for row in saved_rows(run.analysis.run) if 0 in row.layers]
