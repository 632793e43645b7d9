"""The timeline of one run: Analysis | Comparison -> a lane of compute and one of communication per rank.

Binned to what a screen can show; a part that is zoomed into is drawn in more detail. Single kernels are for
Perfetto. Of a Comparison the candidate is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from commscope.analysis.result import Intervals
from commscope.figures.drawing.binning import Spans, fit
from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.strips import add_strips, name_lanes
from commscope.figures.drawing.subject import MEDIAN, Shown, Subject, shown
from commscope.figures.drawing.theme import MARK_BUDGET, SEGMENTS, Look, base, marker, nothing
from commscope.schema import Segment
from commscope.units import axis_time, format_percent, format_time

TITLE = "Timeline"
_RUNS_KEPT = 4
_COMPUTE, _WAIT, _TRANSFER, _UNMATCHED = range(4)
LOOKS = (
    Look("compute", SEGMENTS[Segment.COMPUTE].colour),
    Look("wait", SEGMENTS[Segment.EXPOSED_WAIT].colour, "x"),
    Look("transfer", SEGMENTS[Segment.EXPOSED_TRANSFER].colour),
    Look("communication, not matched", SEGMENTS["exposed"].colour, "\\"),
)
_LANES = ("compute", "communication")
Zoom = tuple[float, float]
Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_NOTHING = Intervals(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Tracks:
    """Busy time since the window began: `spans.lane` indexes `lanes`, `spans.code` indexes LOOKS."""

    span_ns: int
    lanes: tuple[str, ...]
    spans: Spans


def draw(subject: Subject, window: str = MEDIAN, zoom_ns: Zoom | None = None) -> go.Figure:
    """All of the window, or the part in `zoom_ns`, in as much detail as the mark budget allows."""
    run = shown(subject, window)[-1]
    tracks = tracks_of(run)
    if not len(tracks.spans):
        return nothing(TITLE, "nothing recorded in this window")
    low, high = zoom_ns if zoom_ns is not None else (0, tracks.span_ns)
    fitted, bin_ns = fit(tracks.spans, start_ns=int(low), end_ns=int(high), budget=MARK_BUDGET - 100)
    divisor, unit = axis_time(tracks.span_ns)
    figure = base(
        f"{TITLE} of {run.label}, {run.window}", height=max(240, 120 + 18 * min(len(tracks.lanes), 40))
    )
    add_strips(figure, fitted, [(look.word, marker(look)) for look in LOOKS], divisor, 0.8)
    name_lanes(figure, tracks.lanes, [rank for rank in run.ranks for _ in _LANES])
    figure.layout.meta |= {"ns_per_unit": divisor}
    detail = f", each {format_time(bin_ns)}" if bin_ns else ""
    figure.update_xaxes(title_text=f"{unit} into the window{detail}", range=[low / divisor, high / divisor])
    return figure


def caption(subject: Subject, window: str = MEDIAN) -> str:
    """The finding: how many spans there are, and how busy the lanes are on average."""
    run = shown(subject, window)[-1]
    tracks = tracks_of(run)
    if not len(tracks.spans) or not tracks.span_ns:
        return "Nothing recorded in this window."
    busy = _busy_ns(tracks)
    ranks = max(1, len(run.ranks))
    shares = [format_percent(sum(busy[lane :: len(_LANES)]) / ranks / tracks.span_ns) for lane in (0, 1)]
    return (
        f"{len(tracks.spans):,} spans; over the ranks, compute fills {shares[0]} "
        f"and communication {shares[1]} of {format_time(tracks.span_ns)}."
    )


def table(subject: Subject, window: str = MEDIAN) -> list[Row]:
    """Busy time and number of spans of every lane."""
    tracks = tracks_of(shown(subject, window)[-1])
    counts = np.bincount(tracks.spans.lane, minlength=len(tracks.lanes))
    busy = _busy_ns(tracks)
    return [
        {"lane": lane, "spans": int(counts[index]), "busy_ns": busy[index]}
        for index, lane in enumerate(tracks.lanes)
    ]


@lru_cache(maxsize=_RUNS_KEPT)
def tracks_of(run: Shown) -> Tracks:
    """The lanes of a run's window, from its compute intervals and its collective instances."""
    window = (run.span.start_ns, run.span.end_ns)
    own = _by_rank(run.instances)
    ranks = enumerate(run.ranks)
    pieces: list[Columns] = [(np.empty(0, dtype=np.int64),) * 4]
    pieces += [piece for place, rank in ranks for piece in _rank(run, rank, own.get(rank), (place, *window))]
    columns = [np.concatenate(column) for column in zip(*pieces, strict=True)]
    lanes = tuple(f"rank {rank} {lane}" for rank in run.ranks for lane in _LANES)
    return Tracks(run.span.span_ns, lanes, Spans(*columns))


def _by_rank(table: pd.DataFrame) -> dict[int, np.ndarray]:
    """Start, transfer (-1 unmatched) and end of every instance, by rank."""
    times = np.stack(
        [
            table["start_ns"].to_numpy("int64"),
            table["transfer_ns"].fillna(-1).to_numpy("int64"),
            table["end_ns"].to_numpy("int64"),
        ]
    )
    ranks = table["rank"].to_numpy("int64")
    order = np.argsort(ranks, kind="stable")
    names, firsts = np.unique(ranks[order], return_index=True)
    parts = np.split(times[:, order], firsts[1:], axis=1)
    return dict(zip(names.tolist(), parts, strict=False))


def _rank(run: Shown, rank: int, own: np.ndarray | None, where: tuple[int, int, int]) -> list[Columns]:
    place, window = len(_LANES) * where[0], where[1:]
    compute = run.analysis.compute.get(rank, _NOTHING)
    start_ns, transfer_ns, end_ns = np.empty((3, 0), dtype=np.int64) if own is None else own
    matched = transfer_ns >= 0
    turn_ns = end_ns - transfer_ns
    return [
        _within(compute.start_ns, compute.end_ns, window, (place, _COMPUTE)),
        _within(start_ns[matched], turn_ns[matched], window, (place + 1, _WAIT)),
        _within(turn_ns[matched], end_ns[matched], window, (place + 1, _TRANSFER)),
        _within(start_ns[~matched], end_ns[~matched], window, (place + 1, _UNMATCHED)),
    ]


def _within(
    start_ns: np.ndarray, end_ns: np.ndarray, window: tuple[int, int], place: tuple[int, int]
) -> Columns:
    """Spans cut to the window and counted from its start, with their lane and code."""
    start, end = np.maximum(start_ns, window[0]), np.minimum(end_ns, window[1])
    kept = end > start
    count = int(kept.sum())
    return (
        np.full(count, place[0], dtype=np.int64),
        start[kept] - window[0],
        end[kept] - window[0],
        np.full(count, place[1], dtype=np.int64),
    )


def _busy_ns(tracks: Tracks) -> list[int]:
    durations_ns = tracks.spans.end_ns - tracks.spans.start_ns
    busy = np.bincount(tracks.spans.lane, weights=durations_ns, minlength=len(tracks.lanes))
    return [int(time_ns) for time_ns in busy]
