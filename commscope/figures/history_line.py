"""One metric over many runs: names, values and change points -> a line with a mark at each change."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from commscope.figures.drawing.theme import base
from commscope.units import axis_bytes, axis_time

MOST_RUNS = 500


def draw(
    metric: str, unit: str, runs: Sequence[str], values: Sequence[float], changes: Sequence[int]
) -> go.Figure:
    """The newest runs in the order given; `changes` are positions where the metric becomes another one."""
    first = max(0, len(values) - MOST_RUNS)
    axis = {"ns": axis_time, "bytes": axis_bytes}.get(unit)
    divisor, word = axis(max(map(abs, values), default=0)) if axis else (1, unit)
    figure = base(metric, height=260)
    figure.add_scatter(
        x=list(runs[first:]),
        y=[value / divisor for value in values[first:]],
        mode="lines+markers",
        showlegend=False,
        hovertemplate="%{x}: %{y:.4g} " + word + "<extra></extra>",
    )
    for place in changes:
        if place >= first:
            figure.add_vline(x=place - first - 0.5, line_dash="dash", annotation_text="changes")
    figure.update_yaxes(title_text=word, rangemode="tozero")
    return figure
