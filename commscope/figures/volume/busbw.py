"""Bus bandwidth against message size: Analysis | Comparison -> log-log scatter by kind, group and size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.log_axis import decades, format_tick, powers_of_two
from commscope.figures.drawing.subject import MEDIAN, Subject, shown, window_words
from commscope.figures.drawing.theme import COLLECTIVES, MARK_BUDGET, base, look_of, nothing
from commscope.units import format_bandwidth, format_bytes

TITLE = "Bus bandwidth against message size"
_SYMBOLS = ("circle", "diamond-open", "square", "triangle-up", "x", "cross", "star", "hexagon-open")


@dataclass(frozen=True, slots=True)
class Reference:
    """A horizontal line to measure against: a link's nominal speed, or what nccl-tests reached."""

    word: str
    gbps: float


@dataclass(frozen=True, slots=True)
class Reached:
    """Median bus bandwidth of the instances of one kind, group size and payload in one run."""

    run: str
    collective: str
    group_size: int
    payload_bytes: int
    count: int
    busbw_gbps: float


def draw(subject: Subject, window: str = MEDIAN, references: Sequence[Reference] = ()) -> go.Figure:
    """A mark per kind, group size and payload; only the transfer after the last arrival counts."""
    runs = shown(subject, window)
    rows = reached(subject, window)[:MARK_BUDGET]
    if not rows:
        return nothing(TITLE, "bandwidth is not captured: no matched collective with a known size")
    figure = base(f"{TITLE} ({window_words(runs)})")
    names = list(dict.fromkeys((row.run, row.collective) for row in rows))
    for index, (run, collective) in enumerate(names):
        chosen = [row for row in rows if (row.run, row.collective) == (run, collective)]
        figure.add_scatter(
            x=[row.payload_bytes for row in chosen],
            y=[row.busbw_gbps for row in chosen],
            mode="markers",
            name=f"{run} {collective}" if len(runs) > 1 else collective,
            marker={
                "color": look_of(COLLECTIVES, collective).colour,
                "symbol": _SYMBOLS[index % len(_SYMBOLS)],
                "size": 10,
                "line": {"width": 1},
            },
            customdata=[
                [format_bytes(row.payload_bytes), format_bandwidth(row.busbw_gbps), row.count, row.group_size]
                for row in chosen
            ],
            hovertemplate=f"{collective} of %{{customdata[0]}} over %{{customdata[3]}} ranks: "
            "%{customdata[1]}, median of %{customdata[2]}<extra></extra>",
        )
    ends = [min(row.payload_bytes for row in rows) / 2, max(row.payload_bytes for row in rows) * 2]
    for reference in references:
        figure.add_scatter(
            x=ends,
            y=[reference.gbps] * 2,
            mode="lines",
            line={"dash": "dash", "width": 1.5, "color": "#808080"},
            name=f"{reference.word} {format_bandwidth(reference.gbps)}",
            hoverinfo="name",
        )
    figure.update_xaxes(title_text="payload of an instance", **powers_of_two(ends))
    rates = [*(row.busbw_gbps for row in rows), *(one.gbps for one in references)]
    figure.update_yaxes(
        title_text="busbw: wire bytes / transfer",
        **decades(rates, lambda gbps: format_tick(gbps, format_bandwidth)),
    )
    return figure


def caption(subject: Subject, window: str = MEDIAN) -> str:
    """The finding: the largest messages and the bandwidth they reach."""
    rows = reached(subject, window)
    if not rows:
        return "Bandwidth is not captured: no matched collective with a known size."
    sentences = []
    for label in dict.fromkeys(row.run for row in rows):
        largest = max((row for row in rows if row.run == label), key=lambda row: row.payload_bytes)
        sentences.append(
            f"{label}: its largest messages, {largest.collective} of {format_bytes(largest.payload_bytes)}, "
            f"reach {format_bandwidth(largest.busbw_gbps)}."
        )
    return " ".join(sentences)


def table(subject: Subject, window: str = MEDIAN) -> list[Row]:
    """The marks as rows."""
    return [
        {
            "run": row.run,
            "collective": row.collective,
            "group_size": row.group_size,
            "payload_bytes": row.payload_bytes,
            "count": row.count,
            "busbw_gbps": row.busbw_gbps,
        }
        for row in reached(subject, window)
    ]


def reached(subject: Subject, window: str = MEDIAN) -> list[Reached]:
    """Median busbw by run, kind, group size and payload; an instance lasts as long as its slowest rank."""
    rows = []
    for run in shown(subject, window):
        table = run.instances
        usable = table[
            table["transfer_ns"].notna() & table["wire_bytes"].notna() & table["group_size"].notna()
        ]
        usable = usable[(usable["transfer_ns"] > 0) & (usable["wire_bytes"] > 0)]
        keys = ["collective", "group_size", "payload_bytes"]
        each = usable.groupby(["instance", *keys], sort=False).agg(
            wire_bytes=("wire_bytes", "max"), transfer_ns=("transfer_ns", "max")
        )
        speed = (each["wire_bytes"].astype("float64") / each["transfer_ns"].astype("float64")).rename("gbps")
        for place, gbps in speed.groupby(keys):
            rows.append(_mark(run.label, tuple(place), gbps))
    return rows


def _mark(run: str, place: tuple[Any, ...], gbps: pd.Series) -> Reached:
    collective, group_size, payload_bytes = place
    return Reached(run, collective, int(group_size), int(payload_bytes), len(gbps), float(gbps.median()))
