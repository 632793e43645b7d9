"""Compute by phase: Analysis | Comparison -> stacked bars per rank of what the compute was for."""

from __future__ import annotations

import plotly.graph_objects as go

from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import MEDIAN, Shown, Subject, shown, window_words
from commscope.figures.drawing.theme import (
    BLUE,
    CYAN,
    GREEN,
    GREY,
    MARK_BUDGET,
    PURPLE,
    Look,
    base,
    marker,
    nothing,
)
from commscope.schema import Phase
from commscope.units import axis_time, format_percent, format_time

TITLE = "Compute by phase"
_LOOKS = {
    Phase.FORWARD: Look("forward", BLUE),
    Phase.BACKWARD: Look("backward", CYAN, "/"),
    Phase.RECOMPUTE: Look("recompute", PURPLE, "x"),
    Phase.OPTIMIZER: Look("optimizer", GREEN, "\\"),
    Phase.OTHER: Look("other", GREY, "."),
    Phase.PREFILL: Look("prefill", BLUE, "\\"),
    Phase.DECODE: Look("decode", CYAN),
}


def draw(subject: Subject, window: str = MEDIAN) -> go.Figure:
    """One bar per rank and run; phases in the order of a step."""
    runs = shown(subject, window)
    rows = table(subject, window)[: MARK_BUDGET // len(_LOOKS)]
    if not rows:
        return nothing(TITLE, "phases cannot be told from this trace")
    divisor, unit = axis_time(max(row["compute_ns"] for row in rows))
    figure = base(f"{TITLE} ({window_words(runs)})")
    axis = [[f"rank {row['rank']}" for row in rows], [row["run"] for row in rows]]
    for phase, look in _LOOKS.items():
        times_ns = [row[f"{phase}_ns"] for row in rows]
        if any(times_ns):
            figure.add_bar(
                orientation="h",
                y=axis if len(runs) > 1 else axis[0],
                x=[time_ns / divisor for time_ns in times_ns],
                name=look.word,
                marker=marker(look),
                customdata=[format_time(time_ns) for time_ns in times_ns],
                hovertemplate="%{y}<br>" + look.word + ": %{customdata}<extra></extra>",
            )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title_text=f"{unit} of compute on the rank, overlapped or not")
    figure.update_yaxes(autorange="reversed")
    return figure


def caption(subject: Subject, window: str = MEDIAN) -> str:
    """The finding: the share of the largest phase."""
    sentences = []
    for run in shown(subject, window):
        rows = [row for row in _rows(run) if row["compute_ns"]]
        if not rows:
            sentences.append(f"{run.label}: phases cannot be told from this trace.")
            continue
        totals = {phase: sum(row[f"{phase}_ns"] for row in rows) for phase in _LOOKS}
        largest = max(totals, key=lambda phase: totals[phase])
        share = format_percent(totals[largest] / sum(row["compute_ns"] for row in rows))
        sentences.append(f"{run.label}: {share} of the compute of all ranks is {largest}.")
    return " ".join(sentences)


def table(subject: Subject, window: str = MEDIAN) -> list[Row]:
    """Compute of every rank by phase."""
    rows = [row for run in shown(subject, window) for row in _rows(run)]
    return sorted(rows, key=lambda row: int(row["rank"]))


def _rows(run: Shown) -> list[Row]:
    return [
        {
            "rank": row.rank,
            "run": run.label,
            "compute_ns": row.compute_ns,
            **{f"{phase}_ns": row.compute_by_phase_ns.get(phase, 0) for phase in _LOOKS},
        }
        for row in run.breakdown
        if row.compute_by_phase_ns is not None
    ]
