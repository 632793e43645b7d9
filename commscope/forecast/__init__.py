"""What other layouts would take on the machine that recorded a run.

An Analysis and what its ranks spent their time on in; a step time with its doubts for each layout out.
"""

from __future__ import annotations

from commscope.forecast.candidates import candidates
from commscope.forecast.doubts import Doubt
from commscope.forecast.layouts import Forecast, Machine, forecast, measured_machine
from commscope.forecast.transfers import Transfers
from commscope.forecast.work import RankWork, rank_work

__all__ = [
    "Doubt",
    "Forecast",
    "Machine",
    "RankWork",
    "Transfers",
    "candidates",
    "forecast",
    "measured_machine",
    "rank_work",
]
