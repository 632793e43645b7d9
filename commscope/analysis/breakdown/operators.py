"""How many operators a rank's host runs in each window and phase: exact, and the same on every run.

Counted are outermost computing operators on the threads of the step, as `host_timeline` finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from commscope.analysis.attribution import PHASES, Attribution
from commscope.analysis.breakdown.host_timeline import computing_rows
from commscope.analysis.result import RankBreakdown, Window
from commscope.schema import CAPTURE, Phase
from commscope.trace import Events


def with_operators(
    rows: Sequence[RankBreakdown], events: Events, attribution: Attribution, windows: Sequence[Window]
) -> tuple[RankBreakdown, ...]:
    """Each window with its operators by phase; None where no operator or no phase was recorded."""
    operators = computing_rows(events)
    phase = attribution.phase[operators]
    if not (phase >= 0).any():
        return tuple(rows)
    steps = [window.name for window in windows if window.name != CAPTURE]
    counts = {CAPTURE: _by_phase(phase)}
    step = attribution.window[operators]
    by_step = np.argsort(step, kind="stable")
    first = np.searchsorted(step[by_step], np.arange(len(steps) + 1)).tolist()
    for name, begin, end in zip(steps, first, first[1:], strict=False):
        counts[name] = _by_phase(phase[by_step[begin:end]])
    return tuple(replace(row, operators_by_phase=counts[row.window]) for row in rows)


def _by_phase(codes: np.ndarray) -> dict[Phase, int]:
    found, counts = np.unique(codes[codes >= 0], return_counts=True)
    return {PHASES[code]: count for code, count in zip(found.tolist(), counts.tolist(), strict=True)}
