"""How wait and transfer spread over instances: Analysis | Comparison -> box plots by collective and run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.log_axis import decades, format_tick
from commscope.figures.drawing.subject import MEDIAN, Subject, shown, window_words
from commscope.figures.drawing.theme import COLLECTIVES, SEGMENTS, base, look_of, nothing
from commscope.schema import Segment
from commscope.units import NS_PER_US, format_time

TITLE = "Spread of wait and transfer over instances"
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_PARTS = (
    ("wait", "wait_ns", SEGMENTS[Segment.EXPOSED_WAIT]),
    ("transfer", "transfer_ns", SEGMENTS[Segment.EXPOSED_TRANSFER]),
)


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of one part of one collective in one run, over instances and ranks."""

    run: str
    collective: str
    part: str
    count: int
    quantiles_ns: tuple[float, ...]  # at 5, 25, 50, 75, 95 per cent


def draw(subject: Subject, window: str = MEDIAN) -> go.Figure:
    """Boxes from the quartiles, whiskers from 5 to 95 per cent; times below 1 us are drawn at 1 us."""
    runs = shown(subject, window)
    rows = spreads(subject, window)
    if not rows:
        return nothing(TITLE, "wait and transfer are not captured: no collective was matched over ranks")
    figure = base(f"{TITLE} ({window_words(runs)})")
    for part, _, look in _PARTS:
        chosen = [row for row in rows if row.part == part]
        labels = [_place(row, several=len(runs) > 1) for row in chosen]
        low, first, middle, third, high = (
            [max(row.quantiles_ns[index] / NS_PER_US, 1) for row in chosen]
            for index in range(len(_QUANTILES))
        )
        figure.add_box(
            x=labels,
            lowerfence=low,
            q1=first,
            median=middle,
            q3=third,
            upperfence=high,
            name=part,
            marker={"color": look.colour},
            line={"width": 1.5},
        )
    places = [_place(row, several=len(runs) > 1) for row in rows]
    figure.update_xaxes(categoryorder="array", categoryarray=places)
    ends_us = [max(value / NS_PER_US, 1) for row in rows for value in row.quantiles_ns]
    figure.update_yaxes(
        title_text="of an instance on a rank<br>box 25–75 %, whiskers 5–95 %",
        **decades(ends_us, lambda us: format_tick(us * NS_PER_US, format_time)),
    )
    return figure


def caption(subject: Subject, window: str = MEDIAN) -> str:
    """The finding: the collective whose median wait is longest."""
    rows = [row for row in spreads(subject, window) if row.part == "wait"]
    if not rows:
        return "Wait and transfer are not captured: no collective was matched over ranks."
    sentences = []
    for label in dict.fromkeys(row.run for row in rows):
        worst = max((row for row in rows if row.run == label), key=lambda row: row.quantiles_ns[2])
        sentences.append(
            f"{label}: {look_of(COLLECTIVES, worst.collective).word} waits longest, median "
            f"{format_time(worst.quantiles_ns[2])}, 95 % below {format_time(worst.quantiles_ns[4])}."
        )
    return " ".join(sentences)


def table(subject: Subject, window: str = MEDIAN) -> list[Row]:
    """The quantiles that the boxes show."""
    names = ("p5_ns", "p25_ns", "median_ns", "p75_ns", "p95_ns")
    return [
        {
            "run": row.run,
            "collective": row.collective,
            "part": row.part,
            "count": row.count,
            **dict(zip(names, row.quantiles_ns, strict=True)),
        }
        for row in spreads(subject, window)
    ]


def spreads(subject: Subject, window: str = MEDIAN) -> Sequence[Spread]:
    """Quantiles by run, collective and part over matched instances."""
    rows = []
    for run in shown(subject, window):
        matched = run.instances[run.instances["transfer_ns"].notna()]
        for collective, group in matched.groupby("collective", sort=True):
            for part, column, _ in _PARTS:
                times_ns = group[column].to_numpy(dtype="float64")
                quantiles = tuple(float(value) for value in np.quantile(times_ns, _QUANTILES))
                rows.append(Spread(run.label, str(collective), part, len(times_ns), quantiles))
    return rows


def _place(row: Spread, *, several: bool) -> str:
    words = f"{row.collective}<br>{row.part}"
    return f"{words}<br>{row.run}" if several else words
