"""Who comes late, when: Analysis | Comparison -> a rank x instance heat map of lateness."""

from __future__ import annotations

from html import escape

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from commscope.analysis.naming import late_words
from commscope.figures.drawing import panels
from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import MEDIAN, Shown, Subject, shown, window_words
from commscope.figures.drawing.theme import base, nothing
from commscope.units import axis_time, format_time

TITLE = "Lateness: own arrival − first arrival"
_MOST_COLUMNS = 2_000
_MOST_RANKS_NAMED = 16
_TICKS = 16
_ROWS_OF_TABLE = 200


def draw(subject: Subject, window: str = MEDIAN) -> go.Figure:
    """One map a run, instances in order of time; a bin of crowded instances shows its latest arrival."""
    runs = shown(subject, window)
    grids = [lateness(run) for run in runs]
    if all(grid.size == 0 for _, grid in grids):
        return nothing(TITLE, "lateness is not captured: no collective was matched over ranks")
    largest = max(float(np.nanmax(grid)) for _, grid in grids if grid.size)
    divisor, unit = axis_time(largest)
    rows = sum(min(len(run.ranks), _MOST_RANKS_NAMED) for run in runs)
    height = max(220, 150 + 20 * rows + 40 * len(runs))
    figure = base(f"{TITLE} ({unit}), {window_words(runs)}", height=height)
    figure.update_layout(panels.rows([run.label for run in runs]))
    for place, (run, (ids, grid)) in enumerate(zip(runs, grids, strict=True)):
        if grid.size:
            figure.add_trace(_heatmap(run, place, ids, grid / divisor))
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(type="category", nticks=_TICKS)
    last = panels.axis("", len(runs) - 1)
    figure.update_layout(
        {f"xaxis{last}": {"title": {"text": "matched instance, by its number, in order of arrival"}}}
    )
    figure.update_layout(
        coloraxis={"cmin": 0, "cmax": max(largest / divisor, 1e-9), "colorbar": {"title": {"text": unit}}}
    )
    return figure


def caption(subject: Subject, window: str = MEDIAN) -> str:
    """The finding: which rank arrives last most often, and how late the median arrival is."""
    sentences = []
    for run in shown(subject, window):
        matched = run.instances[run.instances["lateness_ns"].notna()]
        if matched.empty:
            sentences.append(f"{run.label}: {run.absent('lateness')}.")
            continue
        last = matched.dropna(subset=["culprit"]).drop_duplicates("instance")["culprit"].value_counts()
        median_ns = float(matched.groupby("instance")["lateness_ns"].max().median())
        words = f"{run.label}: the last rank arrives {format_time(median_ns)} after the first (median)"
        if not last.empty:
            words += (
                f"; rank {int(last.index[0])} is last in {int(last.iloc[0])} of {int(last.sum())} instances"
            )
        sentences.append(words + ".")
    return " ".join(sentences)


def table(subject: Subject, window: str = MEDIAN) -> list[Row]:
    """The latest arrivals: instance, collective, phase, the late rank and what it cost."""
    rows: list[Row] = []
    for run in shown(subject, window):
        late = run.instances[run.instances["lateness_ns"].notna()]
        late = late.sort_values(["lateness_ns", "rank"], ascending=[False, True]).head(_ROWS_OF_TABLE)
        names = ["instance", "collective", "phase", "rank", "lateness_ns"]
        records = late[names].astype(object).to_dict("records")
        words = {(one.instance, one.culprit): late_words(one) for one in run.analysis.late_arrivals}
        rows += [
            {
                "run": run.label,
                **{str(key): value for key, value in row.items()},
                "why": words.get((row["instance"], row["rank"]), "not told"),
            }
            for row in records
        ]
    return sorted(rows, key=lambda row: -int(row["lateness_ns"]))[:_ROWS_OF_TABLE]


def lateness(run: Shown) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Names of the columns, and lateness in ns by rank (down) and instance (across); NaN where absent."""
    matched = run.instances[run.instances["lateness_ns"].notna()]
    if matched.empty:
        return [], np.empty((0, 0))
    instances = matched["instance"].to_numpy("int64")
    firsts_ns = matched.groupby(instances)["start_ns"].min().sort_values(kind="stable")
    order = firsts_ns.index.to_numpy("int64")
    columns = np.empty(int(order.max()) + 1, dtype=np.int64)
    columns[order] = np.arange(len(order))
    grid = np.full((len(run.ranks), len(order)), np.nan)
    rows = np.searchsorted(run.ranks, matched["rank"].to_numpy("int64"))
    grid[rows, columns[instances]] = matched["lateness_ns"].to_numpy("float64")
    names = [str(int(instance)) for instance in order]
    per_bin = -(-len(names) // _MOST_COLUMNS)
    if per_bin == 1:
        return names, grid
    firsts = np.arange(0, len(names), per_bin)
    binned = np.fmax.reduceat(grid, firsts, axis=1)
    return [f"{names[first]}…" for first in firsts], binned


def _why(run: Shown, ids: list[str], shape: tuple[int, ...]) -> list[list[str]] | None:
    """What each late rank did before, where it is told; None where columns hold several instances."""
    words = np.full(shape, "", dtype=object)
    place = {name: column for column, name in enumerate(ids)}
    for one in run.analysis.late_arrivals:
        column = place.get(str(one.instance))
        if column is not None and one.culprit in run.ranks:
            words[run.ranks.index(one.culprit), column] = f"<br>{escape(late_words(one))}"
    return words.tolist() if words.any() else None


def _heatmap(run: Shown, place: int, ids: list[str], grid: npt.NDArray[np.float64]) -> go.Heatmap:
    return go.Heatmap(
        z=grid,
        x=ids,
        y=[f"rank {rank}" if len(run.ranks) <= _MOST_RANKS_NAMED else str(rank) for rank in run.ranks],
        coloraxis="coloraxis",
        xaxis=panels.axis("x", place),
        yaxis=panels.axis("y", place),
        customdata=_why(run, ids, grid.shape),
        hovertemplate="%{y}, instance %{x}: %{z:.3g}%{customdata}<extra>" + run.label + "</extra>",
    )
