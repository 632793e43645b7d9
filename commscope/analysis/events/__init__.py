"""What each event of a rank is part of.

Events in; phase, layer, microbatch and step of each out.
"""

from __future__ import annotations

from commscope.analysis.events.communication_names import (
    is_gloo_work,
    kernel_dtype,
    kernel_kind,
    range_kind,
    spoken_kind,
)
from commscope.analysis.events.layers import layer_ranges, layers_of, microbatches_of
from commscope.analysis.events.nesting import NONE, Spans, enclosing, enclosing_rows, launch_rows, spans_of
from commscope.analysis.events.phases import phases_of
from commscope.analysis.events.steps import (
    capture_window,
    extend_last,
    marked_by_profiler,
    step_windows,
    steps_run,
    window_of,
)

__all__ = [
    "NONE",
    "Spans",
    "capture_window",
    "enclosing",
    "enclosing_rows",
    "extend_last",
    "is_gloo_work",
    "kernel_dtype",
    "kernel_kind",
    "launch_rows",
    "layer_ranges",
    "layers_of",
    "marked_by_profiler",
    "microbatches_of",
    "phases_of",
    "range_kind",
    "spans_of",
    "spoken_kind",
    "step_windows",
    "steps_run",
    "window_of",
]
