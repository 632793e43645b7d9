"""Two analyses side by side -> Comparison: comparability first, then the answer in words, then numbers."""

from __future__ import annotations

from commscope.compare.measures.measurement import Measurement
from commscope.compare.measures.other_load import OtherLoad, other_load_of
from commscope.compare.measures.utilisation import Utilisation, utilisation_of
from commscope.compare.recordings import capture_overhead, measure
from commscope.compare.result import Comparison, Difference, Metric
from commscope.compare.side_by_side import compare, compare_recordings

__all__ = [
    "Comparison",
    "Difference",
    "Measurement",
    "Metric",
    "OtherLoad",
    "Utilisation",
    "capture_overhead",
    "compare",
    "compare_recordings",
    "measure",
    "other_load_of",
    "utilisation_of",
]
