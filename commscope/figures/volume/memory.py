"""Peak memory: Analysis | Comparison -> bars by phase (or whole run), the rank with the most of it."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from commscope.analysis.memory import best_measure, memory_of
from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import Shown, Subject, shown
from commscope.figures.drawing.theme import RUNS, base, marker, nothing
from commscope.schema import Phase
from commscope.trace import RankMemory
from commscope.units import axis_bytes, format_bytes

TITLE = "Peak memory"
_KINDS = {
    "cuda_allocator": "allocated on the device",
    "rss": "resident in the process",
    "tensors": "in live tensors",
}
_WHOLE = "whole run"


def draw(subject: Subject) -> go.Figure:
    """Bars by phase, the most of all ranks, baseline beside candidate."""
    runs = shown(subject)
    largest = max((row.peak_bytes for run in runs for row in _in_focus(run)), default=0)
    if not largest:
        return nothing(TITLE, "memory is not captured in this run")
    divisor, unit = axis_bytes(largest)
    figure = base(f"{TITLE}, the rank with the most")
    for run, look in zip(runs, RUNS, strict=False):
        peaks = _peaks(run)
        figure.add_bar(
            x=list(peaks),
            y=[size / divisor for size in peaks.values()],
            name=run.label,
            marker=marker(look),
            text=[format_bytes(size) for size in peaks.values()],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}: %{text}<extra>" + run.label + "</extra>",
        )
    figure.update_layout(barmode="group")
    figure.update_yaxes(title_text=f"{unit}, {_kind_words(runs)}", rangemode="tozero")
    return figure


def caption(subject: Subject) -> str:
    """The finding: each run's peak, the rank and the phase that has it."""
    sentences = []
    for run in shown(subject):
        rows = _in_focus(run)
        if not rows:
            sentences.append(f"{run.label}: memory is not captured.")
            continue
        row = max(rows, key=lambda row: row.peak_bytes)
        phases = [
            phase for phase, size in row.by_phase_bytes.items() if size == max(row.by_phase_bytes.values())
        ]
        where = f" in {phases[0]}" if phases else ""
        sentences.append(f"{run.label}: rank {row.rank} peaks at {format_bytes(row.peak_bytes)}{where}.")
    return " ".join(sentences)


def table(subject: Subject) -> list[Row]:
    """Peaks of every rank, run and measure, by phase where captured."""
    rows: list[Row] = []
    for run in shown(subject):
        for row in (row for row in memory_of(run.analysis) if row.rank in run.ranks):
            phases = {f"{phase}_bytes": size for phase, size in row.by_phase_bytes.items()}
            rows.append(
                {"rank": row.rank, "run": run.label, "kind": row.kind, "peak_bytes": row.peak_bytes, **phases}
            )
    return sorted(rows, key=lambda row: int(row["rank"]))


def _in_focus(run: Shown) -> tuple[RankMemory, ...]:
    return tuple(row for row in best_measure(memory_of(run.analysis)) if row.rank in run.ranks)


def _peaks(run: Shown) -> dict[str, int]:
    rows = _in_focus(run)
    phases = [phase for phase in Phase if any(phase in row.by_phase_bytes for row in rows)]
    peaks = {_WHOLE: max((row.peak_bytes for row in rows), default=0)}
    return peaks | {str(phase): max(row.by_phase_bytes.get(phase, 0) for row in rows) for phase in phases}


def _kind_words(runs: Sequence[Shown]) -> str:
    kinds = list(dict.fromkeys(row.kind for run in runs for row in _in_focus(run)))
    return " | ".join(_KINDS.get(kind, kind) for kind in kinds)
