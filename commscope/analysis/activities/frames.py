"""Python frames of pieces: events and pieces -> names of the frames that hold at least half of each.

Looked for is the innermost frame that runs in the middle of a piece, on its thread: the line, and where it
called into C the function there (`<built-in function sleep>`).
"""

from __future__ import annotations

import numpy as np

from commscope.analysis.activities.pieces import Pieces
from commscope.analysis.events import NONE, Spans, enclosing, spans_of
from commscope.analysis.names import where_name
from commscope.schema import EventKind
from commscope.trace import Events, Int64


def frames_of(events: Events, parts: Pieces) -> tuple[Int64, Int64]:
    """Indices into the names of events: of the line, and of the built-in function it called; -1 for none."""
    rows = np.flatnonzero(events.is_kind(EventKind.PYTHON))
    if not len(rows) or not len(parts):
        none = np.full(len(parts), NONE)
        return none, none
    builtin = where_name(events, lambda name: name.startswith("<"))[rows]
    module = where_name(events, lambda name: name.startswith("nn.Module"))[rows]
    line = _innermost(events, rows[~builtin & ~module], parts)
    innermost = _innermost(events, rows[~module], parts)
    called = np.where(innermost != line, innermost, NONE)
    return line, np.where(parts.is_python == 1, called, NONE)


def _innermost(events: Events, rows: Int64, parts: Pieces) -> Int64:
    """The name of the innermost of some frames around each piece's middle, where it holds half of it."""
    if not len(rows):
        return np.full(len(parts), NONE)
    middle = (parts.start_ns + parts.end_ns) // 2
    at = enclosing(spans_of(events, rows), Spans(middle, middle, parts.lane))
    around = rows[np.maximum(at, 0)]
    shared = np.minimum(events.end_ns[around], parts.end_ns) - np.maximum(
        events.start_ns[around], parts.start_ns
    )
    fits = (at >= 0) & (2 * shared >= parts.end_ns - parts.start_ns)
    return np.where(fits, events.name_id[around], NONE)
