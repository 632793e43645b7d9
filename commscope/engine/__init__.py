"""Run -> Analysis: ranks mapped over this process, local processes or a Dask cluster, then joined.

A run in; its Analysis, or what a function gives of each rank, out.
"""

from __future__ import annotations

from commscope.engine.kept import analyze_part, code_digest
from commscope.engine.packing import Packing
from commscope.engine.run import analyze
from commscope.engine.workers import over_ranks

__all__ = ["Packing", "analyze", "analyze_part", "code_digest", "over_ranks"]
