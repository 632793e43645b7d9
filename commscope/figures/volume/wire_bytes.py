"""What each rank moves: Analysis | Comparison -> bars by phase and collective, the closed form as a tick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import MEDIAN, NO_PHASE, Shown, Subject, shown, window_words
from commscope.figures.drawing.theme import COLLECTIVES, base, look_of, marker, nothing
from commscope.figures.volume.volume_bars import AGAIN, Bar, bars, closed_form
from commscope.schema import Phase
from commscope.units import axis_bytes, format_bytes, format_count

WIRE, PAYLOAD = "wire", "payload"
_DEFINITIONS = {
    WIRE: (
        "Wire bytes per rank",
        "sent on a ring",
    ),
    PAYLOAD: (
        "Payload bytes per rank",
        "whole tensors, S of nccl-tests",
    ),
}
_ORDER = (*Phase, NO_PHASE)
Predicted = dict[tuple[str, str], Bar]


@dataclass(frozen=True, slots=True)
class _Volume:
    """What a run moved and what theory says it moves."""

    bars: tuple[Bar, ...]
    closed_form: Predicted | None


def draw(subject: Subject, window: str = MEDIAN, measure: str = WIRE) -> go.Figure:
    """Stacked bars by collective for each phase and run; a tick marks the closed form where one is known."""
    runs = shown(subject, window)
    title, definition = _DEFINITIONS[measure]
    volumes = {run.label: _volume(run) for run in runs}
    found = {label: volume.bars for label, volume in volumes.items()}
    if not any(found.values()):
        return nothing(title, "no communication in this window")
    if all(bar.size(measure) is None for rows in found.values() for bar in rows):
        return nothing(title, f"{measure} bytes are not captured")
    phases = [phase for phase in _ORDER if any(bar.phase == phase for rows in found.values() for bar in rows)]
    places = [(phase, run.label) for phase in phases for run in runs]
    divisor, unit = axis_bytes(max(_total(found, place, measure) for place in places))
    figure = base(f"{title}, {window_words(runs)}")
    axis: list[list[str]] = [[phase for phase, _ in places], [label for _, label in places]]
    x = axis if len(runs) > 1 else axis[0]
    for key in COLLECTIVES | {bar.key: None for rows in found.values() for bar in rows}:
        picked = [_pick(found[label], phase, key) for phase, label in places]
        if any(bar is not None for bar in picked):
            figure.add_bar(**_trace(key, x, picked, measure, divisor))
    _add_ticks(
        figure, x, [_expected(volumes[label].closed_form, phase, measure) for phase, label in places], divisor
    )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title_text=definition, tickangle=0)
    figure.update_yaxes(title_text=f"{unit} per rank and step", rangemode="tozero")
    return figure


def caption(subject: Subject, window: str = MEDIAN, measure: str = WIRE) -> str:
    """The finding: what each run moves, whether that equals the closed form, and what is gathered twice."""
    sentences = []
    for run in shown(subject, window):
        volume = _volume(run)
        rows = volume.bars
        total = _sum(rows, measure)
        count = format_count(_count(rows))
        if total is None:
            missing = format_count(_count([bar for bar in rows if bar.size(measure) is None]))
            sentences.append(
                f"{run.label}: {measure} bytes of {missing} of {count} collectives are not captured."
            )
            continue
        words = f"{run.label}: {format_bytes(total)} {measure} per rank in {count} collectives"
        sentences.append(f"{words}{_versus_closed_form(run, volume.closed_form, total, measure)}.")
        again = [bar for bar in rows if bar.key == AGAIN]
        if again:
            sentences.append(
                f"{format_count(_count(again))} all_gathers, {format_bytes(_sum(again, measure))}, "
                "repeat in backward what the forward had gathered."
            )
    return " ".join(sentences)


def table(subject: Subject, window: str = MEDIAN) -> list[Row]:
    """Counts, payload and wire bytes by run, phase and collective, beside the closed form."""
    rows: list[Row] = []
    for run in shown(subject, window):
        volume = _volume(run)
        for bar in volume.bars:
            predicted = (volume.closed_form or {}).get((bar.phase, bar.key))
            rows.append(
                {
                    "run": run.label,
                    "phase": bar.phase,
                    "collective": look_of(COLLECTIVES, bar.key).word,
                    "count": bar.count,
                    "payload_bytes": bar.payload_bytes,
                    "wire_bytes": bar.wire_bytes,
                    "closed_form_wire_bytes": None if predicted is None else predicted.wire_bytes,
                }
            )
    return rows


def _trace(
    key: str, x: object, picked: Sequence[Bar | None], measure: str, divisor: int
) -> dict[str, object]:
    look = look_of(COLLECTIVES, key)
    sizes = [None if bar is None else bar.size(measure) for bar in picked]
    return {
        "x": x,
        "y": [0 if size is None else size / divisor for size in sizes],
        "name": look.word,
        "marker": marker(look),
        "customdata": [
            ["", ""] if bar is None else [format_bytes(bar.size(measure)), format_count(bar.count)]
            for bar in picked
        ],
        "hovertemplate": "%{x}<br>"
        + look.word
        + ": %{customdata[0]} in %{customdata[1]} instances<extra></extra>",
    }


def _add_ticks(figure: go.Figure, x: object, expected: Sequence[float | None], divisor: int) -> None:
    if all(size is None for size in expected):
        return
    places = {"x": x, "y": [None if size is None else size / divisor for size in expected], "mode": "markers"}
    # A light halo under a dark tick is seen on every bar and on both backgrounds.
    halo = {"symbol": "line-ew", "size": 34, "line": {"width": 7, "color": "#ffffff"}}
    tick = {"symbol": "line-ew", "size": 30, "line": {"width": 3, "color": "#000000"}}
    figure.add_scatter(**places, marker=halo, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        **places,
        name="closed form",
        marker=tick,
        customdata=[format_bytes(size) for size in expected],
        hovertemplate="%{x}<br>closed form: %{customdata}<extra></extra>",
    )


def _volume(run: Shown) -> _Volume:
    return _Volume(bars(run), closed_form(run))


def _expected(expected: Predicted | None, phase: str, measure: str) -> float | None:
    if expected is None:
        return None
    return sum(bar.size(measure) or 0 for (known, _), bar in expected.items() if known == phase)


def _versus_closed_form(run: Shown, expected: Predicted | None, total: float | None, measure: str) -> str:
    if run.focus.instance is not None:
        return ""
    if expected is None:
        return " (no closed form: layout or model not recorded)"
    predicted = _sum(list(expected.values()), measure)
    if total is None or predicted is None:
        return ""
    if total == predicted:
        return ", equal to the closed form to the byte"
    return f", where the closed form says {format_bytes(predicted)}"


def _pick(rows: Sequence[Bar], phase: str, key: str) -> Bar | None:
    return next((bar for bar in rows if bar.phase == phase and bar.key == key), None)


def _total(found: dict[str, tuple[Bar, ...]], place: tuple[str, str], measure: str) -> float:
    phase, label = place
    return sum(bar.size(measure) or 0 for bar in found[label] if bar.phase == phase)


def _sum(rows: Sequence[Bar], measure: str) -> float | None:
    sizes = [bar.size(measure) for bar in rows]
    return None if any(size is None for size in sizes) else sum(size or 0 for size in sizes)


def _count(rows: Sequence[Bar]) -> float:
    return sum(bar.count for bar in rows)
