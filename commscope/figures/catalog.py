"""The figures a page or a report shows, in the order of the questions they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import plotly.graph_objects as go

from commscope.figures.breakdown import breakdown_bars, critical_path_strip, phases, timeline
from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import Subject
from commscope.figures.volume import busbw, memory, saved, wire_bytes
from commscope.figures.waiting import lateness_map, stall_matrix, wait_transfer, waits


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with its text twin. Each function takes the subject and the name of a window."""

    key: str
    draw: Callable[[Subject, str], go.Figure]
    caption: Callable[[Subject, str], str]
    table: Callable[[Subject, str], list[Row]]


def _payload(subject: Subject, window: str) -> go.Figure:
    return wire_bytes.draw(subject, window, wire_bytes.PAYLOAD)


def _payload_caption(subject: Subject, window: str) -> str:
    return wire_bytes.caption(subject, window, wire_bytes.PAYLOAD)


BREAKDOWN = Chart("breakdown", breakdown_bars.draw, breakdown_bars.caption, breakdown_bars.table)
WIRE = Chart("wire-bytes", wire_bytes.draw, wire_bytes.caption, wire_bytes.table)
PAYLOAD = Chart("payload-bytes", _payload, _payload_caption, wire_bytes.table)
PATH = Chart(
    "critical-path", critical_path_strip.draw, critical_path_strip.caption, critical_path_strip.table
)
STALLS = Chart("stalls", stall_matrix.draw, stall_matrix.caption, stall_matrix.table)
WAITS = Chart("waits", waits.draw, waits.caption, waits.table)
LATENESS = Chart("lateness", lateness_map.draw, lateness_map.caption, lateness_map.table)
SPREAD = Chart("wait-transfer", wait_transfer.draw, wait_transfer.caption, wait_transfer.table)
BUSBW = Chart("busbw", busbw.draw, busbw.caption, busbw.table)
MEMORY = Chart(
    "memory",
    lambda subject, _: memory.draw(subject),
    lambda subject, _: memory.caption(subject),
    lambda subject, _: memory.table(subject),
)
SAVED = Chart(
    "saved",
    lambda subject, _: saved.draw(subject),
    lambda subject, _: saved.caption(subject),
    lambda subject, _: saved.table(subject),
)

PHASES = Chart("phases", phases.draw, phases.caption, phases.table)
TIMELINE = Chart("timeline", timeline.draw, timeline.caption, timeline.table)

CHARTS = (BREAKDOWN, WIRE, PATH, STALLS, WAITS, LATENESS, SPREAD, BUSBW, MEMORY, SAVED, PAYLOAD)
