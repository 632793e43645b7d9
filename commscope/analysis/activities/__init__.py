"""What a rank did, by name, between its collectives.

Attributed events in; a bounded table of activities and their time by cell out.
"""

from __future__ import annotations

from commscope.analysis.activities.by_cell import activities_of
from commscope.analysis.activities.kernels import kernels_of

__all__ = ["activities_of", "kernels_of"]
