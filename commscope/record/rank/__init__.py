"""The process of one rank.

A request and a program in; its trace and its facts out.
"""

from __future__ import annotations

from commscope.record.rank.context import RankContext
from commscope.record.rank.ending import Ending
from commscope.record.rank.outer import launch_name, outer_request, outer_session, this_rank
from commscope.record.rank.script import run_script

__all__ = [
    "Ending",
    "RankContext",
    "launch_name",
    "outer_request",
    "outer_session",
    "run_script",
    "this_rank",
]
