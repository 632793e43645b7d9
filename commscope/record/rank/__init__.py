"""The process of one rank.

A request and a program in; its trace and its facts out.
"""

from __future__ import annotations

from commscope.record.rank.collect import process_facts
from commscope.record.rank.context import RankContext
from commscope.record.rank.ending import Ending
from commscope.record.rank.export import save_trace
from commscope.record.rank.outer import launch_name, outer_request, outer_session, this_rank
from commscope.record.rank.program import NoSteps, Program, Steps
from commscope.record.rank.saving import Wait, save_in_child, save_in_thread
from commscope.record.rank.script import run_script
from commscope.record.rank.session import Rank

__all__ = [
    "Ending",
    "NoSteps",
    "Program",
    "Rank",
    "RankContext",
    "Steps",
    "Wait",
    "launch_name",
    "outer_request",
    "outer_session",
    "process_facts",
    "run_script",
    "save_in_child",
    "save_in_thread",
    "save_trace",
    "this_rank",
]
