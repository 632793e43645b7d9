"""A run in a few numbers: for metrics systems and experiment trackers.

Analysis in; gauges, as a flat dict or in Prometheus' text format, out. What is not known is left out.
"""

from __future__ import annotations

from commscope.report.gauges.gauges import Gauge, flat, gauges_of
from commscope.report.gauges.prometheus import exposition

__all__ = ["Gauge", "exposition", "flat", "gauges_of"]
