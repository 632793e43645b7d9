"""Strips of time on lanes: Spans and looks -> horizontal bars, one trace a look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from commscope.figures.drawing.binning import Spans
from commscope.units import format_time

_MOST_LANES_NAMED = 16


def add_strips(
    figure: go.Figure,
    parts: Spans,
    looks: Sequence[tuple[str, dict[str, object]]],
    divisor: int,
    width: float,
    words: Sequence[str] = (),
) -> None:
    """Bars of `parts`; `looks` gives word and fill of each code, `words` what else to say of each bar."""
    said = np.array(words or [""] * len(parts), dtype=object)
    for code, (word, fill) in enumerate(looks):
        chosen = parts.code == code
        if not chosen.any():
            continue
        start_ns, end_ns = parts.start_ns[chosen], parts.end_ns[chosen]
        figure.add_bar(
            orientation="h",
            y=parts.lane[chosen].tolist(),
            base=(start_ns / divisor).tolist(),
            x=((end_ns - start_ns) / divisor).tolist(),
            width=width,
            name=word,
            marker=fill,
            customdata=[
                f"{format_time(int(time_ns))}{more}"
                for time_ns, more in zip(end_ns - start_ns, said[chosen], strict=True)
            ],
            hovertemplate=word + ": %{customdata}<extra></extra>",
        )


def name_lanes(figure: go.Figure, names: Sequence[str], ranks: Sequence[int]) -> None:
    """Name the lanes from the top down, every few where they are many; `ranks` says whose they are."""
    every = -(-len(names) // _MOST_LANES_NAMED)
    ticks = list(range(0, len(names), every))
    figure.update_yaxes(
        tickvals=ticks,
        ticktext=[names[tick] for tick in ticks],
        range=[len(names) - 0.5, -0.5],
        fixedrange=True,
    )
    figure.update_layout(barmode="overlay", bargap=0, meta={"ranks": list(ranks)})
