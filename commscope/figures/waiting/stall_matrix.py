"""Who waits for whom: Analysis | Comparison -> victim x culprit heat maps on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from commscope.analysis.naming import named_cause_words
from commscope.analysis.result import Stall
from commscope.analysis.waits import cause_words
from commscope.figures.drawing import panels
from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import MEDIAN, Shown, Subject, shown, window_words
from commscope.figures.drawing.theme import base, nothing
from commscope.units import axis_time, format_time

TITLE = "Who waits for whom"
_MOST_RANKS_WITH_NUMBERS = 6
_MOST_RANKS_NAMED = 32


def draw(subject: Subject, window: str = MEDIAN) -> go.Figure:
    """One matrix a run; a row is a victim, a column the rank it waited for."""
    runs = shown(subject, window)
    if not any(run.stalls for run in runs):
        return nothing(TITLE, _absent_words(runs))
    largest = max(stall.wait_ns for run in runs for stall in run.stalls)
    divisor, unit = axis_time(largest)
    figure = base(f"{TITLE}: {unit} of waiting, {window_words(runs)}")
    figure.update_layout(panels.columns([run.label for run in runs]))
    figure.add_traces([_heatmap(run, place, divisor) for place, run in enumerate(runs)])
    figure.update_xaxes(title_text="waited for (culprit)", type="category")
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_layout(yaxis_title_text="who waits (victim)")
    figure.update_layout(
        coloraxis={"cmin": 0, "cmax": largest / divisor, "colorbar": {"title": {"text": unit}}}
    )
    return figure


def caption(subject: Subject, window: str = MEDIAN) -> str:
    """The finding: the rank the others wait for most, and for how long."""
    return " ".join(_sentence(run) for run in shown(subject, window))


def table(subject: Subject, window: str = MEDIAN) -> list[Row]:
    """Every pair with a stall, longest first."""
    rows: list[Row] = [
        {
            "run": run.label,
            "victim": f"rank {stall.victim}",
            "culprit": f"rank {stall.culprit}",
            "wait_ns": stall.wait_ns,
            "late_by": cause_words([stall]) or "not told",
            "by_name": named_cause_words(stall.causes) or "not told",
        }
        for run in shown(subject, window)
        for stall in run.stalls
    ]
    return sorted(rows, key=lambda row: -int(row["wait_ns"]))


def matrix(run: Shown) -> np.ndarray:
    """Waits in ns, victims down and culprits across, in the order of the run's ranks."""
    place = {rank: index for index, rank in enumerate(run.all_ranks)}
    waits = np.zeros((len(place), len(place)), dtype=np.int64)
    for stall in run.stalls:
        if stall.victim in place and stall.culprit in place:
            waits[place[stall.victim], place[stall.culprit]] += stall.wait_ns
    return waits


def _heatmap(run: Shown, place: int, divisor: int) -> go.Heatmap:
    waits = matrix(run)
    ranks = run.all_ranks
    names = [f"rank {rank}" if len(ranks) <= _MOST_RANKS_NAMED else str(rank) for rank in ranks]
    numbered = len(ranks) <= _MOST_RANKS_WITH_NUMBERS
    return go.Heatmap(
        z=(waits / divisor).tolist(),
        x=names,
        y=names,
        coloraxis="coloraxis",
        xaxis=panels.axis("x", place),
        yaxis=panels.axis("y", place),
        xgap=1,
        ygap=1,
        text=[[_number(value, divisor) for value in row] for row in waits.tolist()] if numbered else None,
        texttemplate="%{text}" if numbered else None,
        customdata=_hover_words(run, waits),
        hovertemplate="%{y} waits for %{x}: %{customdata}<extra>" + run.label + "</extra>",
    )


def _hover_words(run: Shown, waits: np.ndarray) -> list[list[str]]:
    words = {(stall.victim, stall.culprit): _why(stall) for stall in run.stalls}
    ranks = run.all_ranks
    return [
        [_waited(value, words.get((victim, culprit), "")) for culprit, value in zip(ranks, row, strict=True)]
        for victim, row in zip(ranks, waits.tolist(), strict=True)
    ]


def _why(stall: Stall) -> str:
    """Causes, and below them their names."""
    named = named_cause_words(stall.causes)
    return cause_words([stall]) + (f"; by name {escape(named)}" if named else "")


def _waited(wait_ns: int, why: str) -> str:
    return (format_time(wait_ns) if wait_ns else "0") + (f" ({why})" if why else "")


def _number(wait_ns: int, divisor: int) -> str:
    return f"{wait_ns / divisor:.3g}" if wait_ns else "0"


def _sentence(run: Shown) -> str:
    if not run.stalls:
        return f"{run.label}: {_absent_words([run])}."
    waits = matrix(run)
    caused_ns = waits.sum(axis=0)
    worst = int(caused_ns.argmax())
    total_ns = int(waits.sum())
    if total_ns == 0:
        return f"{run.label}: nobody waits."
    share = round(100 * int(caused_ns[worst]) / total_ns)
    why = cause_words((stall for stall in run.stalls if stall.culprit == run.all_ranks[worst]), most=2)
    return (
        f"{run.label}: rank {run.all_ranks[worst]} is waited for {format_time(int(caused_ns[worst]))}, "
        f"{share} % of all waiting{'; late by ' + why if why else ''}."
    )


def _absent_words(runs: Sequence[Shown]) -> str:
    if all(run.analysis.matching.matched == 0 for run in runs):
        return "waits are not captured: no collective was matched over ranks"
    return "no rank waits for another in this window"
