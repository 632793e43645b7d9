"""What tensors and the process held at most.

A step in; RankMemory out.
"""

from __future__ import annotations

from commscope.record.memory.measure import measure_memory
from commscope.record.memory.script_steps import Memory, NoMemory, StepMemory

__all__ = ["Memory", "NoMemory", "StepMemory", "measure_memory"]
