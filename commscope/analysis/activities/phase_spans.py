"""When a rank's device was in which phase: busy events in order -> spans of one phase after another."""

from __future__ import annotations

import numpy as np

from commscope.analysis.attribution import PHASES, Attribution, Busy
from commscope.analysis.result import PhaseSpan
from commscope.trace import Events

MOST = 20_000  # of a rank


def phase_spans(events: Events, attribution: Attribution) -> tuple[PhaseSpan, ...]:
    """From the first to the last of neighbours of one phase, cut where the next begins; own clock."""
    rows = np.flatnonzero((attribution.busy != Busy.NOT) & (attribution.phase >= 0))
    if not len(rows):
        return ()
    phase = attribution.phase[rows]
    first = np.flatnonzero(np.r_[True, phase[1:] != phase[:-1]])[:MOST]
    start = events.start_ns[rows[first]]
    end = np.maximum.reduceat(events.end_ns[rows], first)
    end[:-1] = np.minimum(end[:-1], start[1:])
    spans = zip(phase[first].tolist(), start.tolist(), end.tolist(), strict=True)
    return tuple((str(PHASES[code]), a, b) for code, a, b in spans if b > a)
