"""One clock for all ranks.

Matched instances in; offsets, drift, hard bounds and what they leave in doubt out.
"""

from __future__ import annotations

from commscope.analysis.clocks.doubt import clock_gaps
from commscope.analysis.clocks.readings import readings_ns
from commscope.analysis.clocks.solve import common_time, solve_clock
from commscope.analysis.clocks.ties import one_clock, within_one_clock

__all__ = ["clock_gaps", "common_time", "one_clock", "readings_ns", "solve_clock", "within_one_clock"]
