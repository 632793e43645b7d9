"""A run as a timeline for Perfetto: Analysis -> a document of trace events (the Chrome JSON format).

All ranks on one clock, in ns since the capture began; no two slices of a track overlap.
"""

from __future__ import annotations

from commscope.report.perfetto.document import trace_document

__all__ = ["trace_document"]
