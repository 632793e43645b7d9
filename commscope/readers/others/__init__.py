"""Recorders other than torch.profiler and nsys: logs of communication, and timelines of other frameworks.

Files in; Run, then columns of one rank out. A format is a module that reads one file into `Told`, and a
line here.
"""

from __future__ import annotations

from commscope.readers.others import ascend, execution_trace, flight_recorder, inspector, nccl_plugin, xla
from commscope.readers.others.format import format_of
from commscope.readers.runs.trace_format import TraceFormat

OTHERS: tuple[TraceFormat, ...] = tuple(
    format_of(one)
    for one in (
        inspector.FORMAT,
        flight_recorder.FORMAT,
        execution_trace.FORMAT,
        nccl_plugin.FORMAT,
        ascend.FORMAT,
        xla.FORMAT,
    )
)
# What often lies beside a trace of the profiler, which tells more.
CALLS_ONLY = (inspector.FORMAT.name, flight_recorder.FORMAT.name, execution_trace.FORMAT.name)

__all__ = ["CALLS_ONLY", "OTHERS"]
