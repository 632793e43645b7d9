"""The critical path: Analysis | Comparison -> a lane per rank, tall bars on the path, pale ones off it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from html import escape
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from commscope.analysis.naming import place_words, spent_words
from commscope.analysis.result import CriticalPath, PathPart
from commscope.figures.drawing.binning import Spans, fit, joined, spans
from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.strips import add_strips, name_lanes
from commscope.figures.drawing.subject import MEDIAN, Shown, Subject, shown, window_words
from commscope.figures.drawing.theme import PATH_KINDS, base, look_of, marker, nothing
from commscope.units import axis_time, format_percent, format_time

TITLE = "Critical path"
_PATH_BUDGET, _PALE_BUDGET, _HAND_OFF_BUDGET = 900, 800, 250
Zoom = tuple[float, float]


class _Lanes:
    """Where each run's ranks stand: the baseline's ranks first."""

    def __init__(self, runs: Sequence[Shown]) -> None:
        self.runs = tuple(runs)
        keys = [(id(run), rank) for run in runs for rank in run.all_ranks]
        self._place = {key: place for place, key in enumerate(keys)}

    def of(self, run: Shown, rank: int) -> int:
        return self._place[id(run), rank]

    def names(self) -> list[str]:
        prefix = len(self.runs) > 1
        return [
            f"{run.label} · rank {rank}" if prefix else f"rank {rank}"
            for run in self.runs
            for rank in run.all_ranks
        ]


def draw(subject: Subject, window: str = MEDIAN, zoom_ns: Zoom | None = None) -> go.Figure:
    """Strips of all runs on one axis since their window began; `zoom_ns` draws a part in more detail."""
    runs = tuple(run for run in shown(subject, window) if run.path is not None)
    if not runs:
        return nothing(TITLE, "no critical path: collectives could not be matched over the ranks")
    lanes = _Lanes(runs)
    longest = max(run.span.span_ns for run in runs)
    low, high = zoom_ns if zoom_ns is not None else (0, longest)
    divisor, unit = axis_time(longest)
    count = sum(len(run.all_ranks) for run in runs)
    figure = base(
        f"{TITLE}, {window_words(runs)}: tall bars are on it, pale ones off it",
        height=max(240, 130 + 22 * min(count, 40)),
    )
    bin_ns = _add_pale(figure, lanes, (int(low), int(high)), divisor)
    bin_ns = max(bin_ns, _add_path(figure, lanes, (int(low), int(high)), divisor))
    _add_hand_offs(figure, lanes, (int(low), int(high)), divisor)
    detail = f", each {format_time(bin_ns)}" if bin_ns else ""
    figure.update_xaxes(title_text=f"{unit} into the window{detail}", range=[low / divisor, high / divisor])
    name_lanes(figure, lanes.names(), [rank for run in runs for rank in run.all_ranks])
    figure.layout.meta |= {"ns_per_unit": divisor}
    return figure


def caption(subject: Subject, window: str = MEDIAN) -> str:
    """The finding: what the path consists of, and which rank holds most of it."""
    sentences = []
    for run in shown(subject, window):
        path = run.path
        if path is None or not path.by_rank_ns:
            sentences.append(f"{run.label}: no critical path was found in this window.")
            continue
        rank, time_ns = max(path.by_rank_ns.items(), key=lambda item: item[1])
        share = format_percent(time_ns / path.length_ns if path.length_ns else None)
        sentences.append(
            f"{run.label}: {format_time(path.length_ns)}, of which {_parts_words(path)}; "
            f"{path.hand_offs} hand-off{'s' * (path.hand_offs != 1)}; rank {rank} holds {share} of it."
        )
    return " ".join(sentences)


def table(subject: Subject, window: str = MEDIAN) -> list[Row]:
    """Time on the path by kind, rank, phase and collective."""
    rows: list[Row] = []
    for run in shown(subject, window):
        if run.path is None:
            continue
        ranks = {f"rank {rank}": time_ns for rank, time_ns in run.path.by_rank_ns.items()}
        for by, parts in (
            ("kind", run.path.by_kind_ns),
            ("rank", ranks),
            ("phase", run.path.by_phase_ns),
            ("collective", run.path.by_collective_ns),
        ):
            rows += [
                {
                    "run": run.label,
                    "by": by,
                    "part": part,
                    "on_path_ns": time_ns,
                    "share_ratio": time_ns / run.path.length_ns if run.path.length_ns else None,
                }
                for part, time_ns in sorted(parts.items(), key=lambda item: -item[1])
            ]
    return rows


def _add_path(figure: go.Figure, lanes: _Lanes, range_ns: tuple[int, int], divisor: int) -> int:
    kinds = sorted({part.kind for run in lanes.runs for part in _path(run).parts})
    rows = [
        (lanes.of(run, part.rank), part.start_ns - begin_ns, part.end_ns - begin_ns, kinds.index(part.kind))
        for run, begin_ns in [(run, run.span.start_ns) for run in lanes.runs]
        for part in _path(run).parts
        if part.end_ns > part.start_ns and part.rank in run.all_ranks
    ]
    fitted, bin_ns = fit(spans(rows), start_ns=range_ns[0], end_ns=range_ns[1], budget=_PATH_BUDGET)
    add_strips(
        figure,
        fitted,
        [(look_of(PATH_KINDS, kind).word, marker(look_of(PATH_KINDS, kind))) for kind in kinds],
        divisor,
        0.8,
        _words(lanes, fitted),
    )
    return bin_ns or 0


def _words(lanes: _Lanes, bars: Spans) -> list[str]:
    """Of each bar: the longest part of the path in its middle, where that was, and what the rank did."""
    middle = ((bars.start_ns + bars.end_ns) // 2).tolist()
    paths = {
        lanes.of(run, rank): (_path(run).parts, run.span.start_ns)
        for run in lanes.runs
        for rank in run.all_ranks
    }
    found = []
    for lane, time_ns in zip(bars.lane.tolist(), middle, strict=True):
        parts, begin_ns = paths[lane]
        at = bisect_right(parts, time_ns + begin_ns, key=lambda part: part.start_ns) - 1
        found.append(_part_words(parts[at]) if at >= 0 else "")
    return found


def _part_words(part: PathPart) -> str:
    where = f" on rank {part.rank}{place_words(part.phase, part.layer)}"
    what = f" of {part.collective}" if part.collective else ""
    named = f"<br>at least {escape(spent_words(part.spent))}" if part.spent else ""
    return f"{what}{where}{named}"


def _add_pale(figure: go.Figure, lanes: _Lanes, range_ns: tuple[int, int], divisor: int) -> int:
    """Transfers and waits of all ranks, thin and pale behind the path."""
    fitted, bin_ns = fit(
        joined([_pale_spans(lanes, run) for run in lanes.runs]),
        start_ns=range_ns[0],
        end_ns=range_ns[1],
        budget=_PALE_BUDGET,
    )
    pale = [
        (f"off path: {word}", marker(PATH_KINDS[kind], opacity=0.4))
        for kind, word in (("wait", "waiting"), ("transfer", "transferring"))
    ]
    first = len(figure.data)
    add_strips(figure, fitted, pale, divisor, 0.3)
    figure.update_traces(showlegend=False, selector=lambda trace: trace in figure.data[first:])
    return bin_ns or 0


def _add_hand_offs(figure: go.Figure, lanes: _Lanes, range_ns: tuple[int, int], divisor: int) -> None:
    """Lines where the path goes from one rank to another, joined into one trace."""
    times: list[float | None] = []
    places: list[float | None] = []
    for run in lanes.runs:
        begin_ns = run.span.start_ns
        for before, after in pairwise(_path(run).parts):
            at_ns = after.start_ns - begin_ns
            if before.rank != after.rank and range_ns[0] <= at_ns <= range_ns[1]:
                times += [at_ns / divisor, at_ns / divisor, None]
                places += [lanes.of(run, before.rank), lanes.of(run, after.rank), None]
    if 0 < len(times) <= 3 * _HAND_OFF_BUDGET:
        figure.add_scatter(
            x=times,
            y=places,
            mode="lines",
            line={"width": 1.4, "color": "#808080", "dash": "dot"},
            name="hand-off",
            hoverinfo="skip",
        )


def _pale_spans(lanes: _Lanes, run: Shown) -> Spans:
    """Waits (code 0) and transfers (code 1) since the window began; what was not matched is all transfer."""
    table = run.instances
    lane = np.array([lanes.of(run, rank) for rank in table["rank"].tolist()], dtype=np.int64)
    start_ns = table["start_ns"].to_numpy("int64") - run.span.start_ns
    end_ns = table["end_ns"].to_numpy("int64") - run.span.start_ns
    turn_ns = start_ns + table["wait_ns"].fillna(0).to_numpy("int64")
    waits, transfers = turn_ns > start_ns, end_ns > turn_ns
    return joined(
        [
            Spans(lane[waits], start_ns[waits], turn_ns[waits], np.zeros(waits.sum(), dtype=np.int64)),
            Spans(lane[transfers], turn_ns[transfers], end_ns[transfers], np.ones(transfers.sum(), np.int64)),
        ]
    )


def _parts_words(path: CriticalPath) -> str:
    largest = sorted(path.by_kind_ns.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{kind} {format_time(time_ns)}" for kind, time_ns in largest)


def _path(run: Shown) -> CriticalPath:
    return run.path or CriticalPath(run.window, 0, (), {}, {}, {}, {}, 0, 0)
