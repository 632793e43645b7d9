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
from commscope.analysis.events.layers import layers_of, microbatches_of
from commscope.analysis.events.nesting import NONE, enclosing_rows, launch_rows
from commscope.analysis.events.phases import phases_of
from commscope.analysis.events.steps import capture_window, extend_last, step_windows, window_of

__all__ = [
    "NONE",
    "capture_window",
    "enclosing_rows",
    "extend_last",
    "is_gloo_work",
    "kernel_dtype",
    "kernel_kind",
    "launch_rows",
    "layers_of",
    "microbatches_of",
    "phases_of",
    "range_kind",
    "spoken_kind",
    "step_windows",
    "window_of",
]
