"""Closed forms of memory: what a layer keeps for backward, and what a rank holds at the peak.

Layout, ModelShape and Policy in; bytes by item out.
"""

from __future__ import annotations

from commscope.theory.memory.measured import SavedRow, largest_difference, saved_rows
from commscope.theory.memory.rank_memory import Memory, largest_fitting, rank_memory, stage_parameters
from commscope.theory.memory.saved import (
    Saved,
    activation_bytes,
    checkpoint_bytes,
    edge_bytes,
    layer_bytes,
    part_bytes,
    saved_items,
)
from commscope.theory.memory.workload import saved_by_module

__all__ = [
    "Memory",
    "Saved",
    "SavedRow",
    "activation_bytes",
    "checkpoint_bytes",
    "edge_bytes",
    "largest_difference",
    "largest_fitting",
    "layer_bytes",
    "part_bytes",
    "rank_memory",
    "saved_by_module",
    "saved_items",
    "saved_rows",
    "stage_parameters",
]
