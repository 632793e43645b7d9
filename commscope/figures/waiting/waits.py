"""Wait and transfer inside collectives, per rank: Analysis | Comparison -> stacked bars by rank and run."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd
import plotly.graph_objects as go

from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import MEDIAN, Shown, Subject, shown, window_words
from commscope.figures.drawing.theme import MARK_BUDGET, SEGMENTS, Look, base, marker, nothing
from commscope.schema import Segment
from commscope.units import axis_time, format_percent, format_time

TITLE = "Inside collectives: waiting for the last rank, then transferring"
_LOOKS = {
    "wait_ns": Look("wait (last arrival − own arrival)", SEGMENTS[Segment.EXPOSED_WAIT].colour, "x"),
    "transfer_ns": Look("transfer (end − last arrival)", SEGMENTS[Segment.EXPOSED_TRANSFER].colour),
    "unknown_ns": Look("wait and transfer not told", SEGMENTS[Segment.IDLE].colour, "."),
}


def draw(subject: Subject, window: str = MEDIAN) -> go.Figure:
    """One bar per rank and run: time in collectives, overlapped or not, as wait and transfer."""
    runs = shown(subject, window)
    rows = [(run.label, totals) for run in runs for totals in _totals(run)]
    rows = sorted(rows, key=lambda row: row[1]["rank"])[: MARK_BUDGET // len(_LOOKS)]
    longest = max((sum(totals[key] for key in _LOOKS) for _, totals in rows), default=0)
    if not longest:
        return nothing(TITLE, "no communication in this window")
    divisor, unit = axis_time(longest)
    figure = base(f"{TITLE} ({window_words(runs)})", height=max(220, 118 + 20 * len(rows)))
    axis: list[list[str]] = [[f"rank {totals['rank']}" for _, totals in rows], [label for label, _ in rows]]
    for key, look in _LOOKS.items():
        if any(totals[key] for _, totals in rows):
            figure.add_bar(
                orientation="h",
                y=axis if len(runs) > 1 else axis[0],
                x=[totals[key] / divisor for _, totals in rows],
                name=look.word,
                marker=marker(look),
                customdata=[format_time(totals[key]) for _, totals in rows],
                hovertemplate="%{y}<br>" + look.word + ": %{customdata}<extra></extra>",
            )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title_text=f"{unit} summed over the rank's instances; overlapped time included")
    figure.update_yaxes(autorange="reversed")
    return figure


def caption(subject: Subject, window: str = MEDIAN) -> str:
    """The finding: the share of collective time that is waiting."""
    sentences = []
    for run in shown(subject, window):
        rows = _totals(run)
        wait_ns, transfer_ns, unknown_ns = (sum(row[key] for row in rows) for key in _LOOKS)
        if not run.instances["most_wait_ns"].notna().any():
            sentences.append(
                f"{run.label}: waiting is not captured (no collective was matched on all its members)."
            )
            continue
        total_ns = wait_ns + transfer_ns + unknown_ns
        share = format_percent(wait_ns / total_ns if total_ns else None)
        least = "at least " if unknown_ns else ""
        sentences.append(
            f"{run.label}: {least}{share} of the time in collectives is waiting "
            f"({format_time(wait_ns)} over all ranks)."
        )
    return " ".join(sentences)


def table(subject: Subject, window: str = MEDIAN) -> list[Row]:
    """Wait, transfer and the time that cannot be told, per rank and run."""
    rows: list[Row] = [
        {"run": run.label, **totals} for run in shown(subject, window) for totals in _totals(run)
    ]
    return sorted(rows, key=lambda row: int(row["rank"]))


@lru_cache(maxsize=16)
def _totals(run: Shown) -> list[dict[str, int]]:
    table = run.instances
    told = table["most_wait_ns"].notna()
    duration = (table["end_ns"] - table["start_ns"]).astype("Int64")
    sums = (
        pd.DataFrame(
            {
                "rank": table["rank"],
                "wait_ns": table["least_wait_ns"].where(told).fillna(0),
                "transfer_ns": (duration - table["most_wait_ns"]).fillna(0),
                "unknown_ns": (table["most_wait_ns"] - table["least_wait_ns"]).where(told, duration),
            }
        )
        .groupby("rank")
        .sum()
    )
    return [{"rank": int(rank), **{key: int(sums.loc[rank, key]) for key in _LOOKS}} for rank in sums.index]
