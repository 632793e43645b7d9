"""A figure by its name: runs -> plotly Figure. The names are those of the catalog, as on every screen."""

from __future__ import annotations

import plotly.graph_objects as go

from commscope.errors import UsageProblem
from commscope.figures.catalog import CHARTS, PHASES, TIMELINE
from commscope.figures.drawing.subject import MEDIAN, Subject

_BY_KEY = {chart.key: chart for chart in (*CHARTS, PHASES, TIMELINE)}


def figure(subject: Subject, name: str, window: str | None = None) -> go.Figure:
    """The figure of that name, of one window; of the typical step where none is named.

    Raises UsageProblem where no figure has that name.
    """
    chart = _BY_KEY.get(name)
    if chart is None:
        raise UsageProblem(f"no figure named {name!r}", hint=f"one of {', '.join(sorted(_BY_KEY))}")
    return chart.draw(subject, window or MEDIAN)
