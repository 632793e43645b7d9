"""Where each rank's step goes: Analysis | Comparison -> stacked bars, a true partition of the step."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from commscope.analysis.result import RankBreakdown
from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import MEDIAN, Shown, Subject, shown, window_words
from commscope.figures.drawing.theme import MARK_BUDGET, SEGMENTS, base, marker, nothing
from commscope.schema import Segment
from commscope.units import axis_time, format_percent, format_time

TITLE = "Where each rank's step goes"
_KINDS = len(SEGMENTS)


def partition(row: RankBreakdown) -> dict[str, int]:
    """The window of one rank as parts that sum to its span; wait and transfer stay together if unmatched."""
    parts = {
        str(Segment.COMPUTE): row.compute_ns - row.overlapped_ns,
        str(Segment.OVERLAPPED): row.overlapped_ns,
    }
    if row.exposed_wait_ns is None or row.exposed_transfer_ns is None:
        parts["exposed"] = row.exposed_ns
    else:
        parts[Segment.EXPOSED_TRANSFER] = row.exposed_transfer_ns
        parts[Segment.EXPOSED_WAIT] = row.exposed_wait_ns
        parts["exposed"] = row.exposed_ns - row.exposed_transfer_ns - row.exposed_wait_ns
    parts[Segment.COPY] = row.copy_ns
    parts[Segment.HOST_BOUND] = row.host_bound_ns or 0
    parts[Segment.IDLE] = row.idle_ns
    return parts


def draw(subject: Subject, window: str = MEDIAN) -> go.Figure:
    """Horizontal stacked bars, one per rank and run, baseline above candidate."""
    runs = shown(subject, window)
    rows = _rows(runs)
    if not rows:
        return nothing(TITLE, "no breakdown in this window")
    divisor, unit = axis_time(max(row.span_ns for _, row in rows))
    ranks = len({row.rank for _, row in rows})
    figure = base(f"{TITLE} ({window_words(runs)})", height=max(220, 118 + 20 * len(rows) + 6 * ranks))
    axis: list[list[str]] = [[f"rank {row.rank}" for _, row in rows], [label for label, _ in rows]]
    for segment, look in SEGMENTS.items():
        times_ns = [partition(row).get(segment, 0) for _, row in rows]
        if not any(times_ns):
            continue
        figure.add_bar(
            orientation="h",
            y=axis if len(runs) > 1 else axis[0],
            x=[time_ns / divisor for time_ns in times_ns],
            name=look.word,
            marker=marker(look),
            customdata=[
                [format_time(time_ns), format_percent(time_ns / row.span_ns if row.span_ns else None)]
                for time_ns, (_, row) in zip(times_ns, rows, strict=True)
            ],
            hovertemplate="%{y}<br>"
            + look.word
            + ": %{customdata[0]} (%{customdata[1]} of the step)<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_xaxes(title_text=f"{unit} on the rank")
    figure.update_yaxes(autorange="reversed")
    return figure


def caption(subject: Subject, window: str = MEDIAN) -> str:
    """The finding: how much of the slowest rank's step is compute and exposed communication."""
    sentences = []
    for run in shown(subject, window):
        if not run.breakdown:
            sentences.append(f"{run.label}: no breakdown in {run.window}.")
            continue
        row = max(run.breakdown, key=lambda row: (row.exposed_ns, -row.rank))
        share = format_percent(row.exposed_ns / row.span_ns if row.span_ns else None)
        sentences.append(
            f"{run.label}: up to {format_time(row.exposed_ns)} of {format_time(row.span_ns)} ({share}) "
            f"of exposed communication on rank {row.rank}, {_wait_words(row)}."
        )
    return " ".join(sentences)


def table(subject: Subject, window: str = MEDIAN) -> list[Row]:
    """Every rank and run with the parts of its step; all ranks, also those a crowded figure leaves out."""
    rows = []
    for run in shown(subject, window):
        for row in run.breakdown:
            parts = {f"{_column(segment)}_ns": time_ns for segment, time_ns in partition(row).items()}
            rows.append({"rank": row.rank, "run": run.label, "step_ns": row.span_ns, **parts})
    return sorted(rows, key=lambda row: row["rank"])


def _rows(runs: Sequence[Shown]) -> list[tuple[str, RankBreakdown]]:
    """Rows by rank, baseline first; of too many, the ranks with the most and the least exposed."""
    rows = [(run.label, row) for run in runs for row in run.breakdown]
    most = MARK_BUDGET // (_KINDS * max(1, len(runs)))
    by_exposed = sorted({row.rank for _, row in rows}, key=lambda rank: _exposed_ns(rows, rank))
    kept = set(by_exposed if len(by_exposed) <= most else by_exposed[: most // 2] + by_exposed[-most // 2 :])
    return sorted((row for row in rows if row[1].rank in kept), key=lambda row: row[1].rank)


def _exposed_ns(rows: Sequence[tuple[str, RankBreakdown]], rank: int) -> int:
    return sum(row.exposed_ns for _, row in rows if row.rank == rank)


def _wait_words(row: RankBreakdown) -> str:
    if row.exposed_wait_ns is None:
        return "how much of it is waiting is not captured"
    return f"{format_time(row.exposed_wait_ns)} of it waiting"


def _column(segment: str) -> str:
    return (
        "exposed_unsplit"
        if segment == "exposed"
        else "compute_alone"
        if segment == Segment.COMPUTE
        else segment
    )
