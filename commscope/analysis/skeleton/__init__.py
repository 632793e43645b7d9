"""The happens-before graph of one rank, and its reduction.

Attributed events in; the few nodes and edges between its collectives out.
"""

from __future__ import annotations

from commscope.analysis.skeleton.build import build_skeleton
from commscope.analysis.skeleton.event_graph import KINDS

__all__ = ["KINDS", "build_skeleton"]
