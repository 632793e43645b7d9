"""The happens-before graph of a run and its longest path.

Skeletons and matched instances in; critical paths and slack out.
"""

from __future__ import annotations

from commscope.analysis.critical_path.path import critical_paths, paths_of
from commscope.analysis.critical_path.run_graph import RunGraph, run_graph

__all__ = ["RunGraph", "critical_paths", "paths_of", "run_graph"]
