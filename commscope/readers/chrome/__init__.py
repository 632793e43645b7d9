"""Chrome JSON as Kineto writes it.

Files in; Run, then columns of one rank out.
"""

from __future__ import annotations

from pathlib import Path

from commscope.readers.chrome.one_rank import NAME, read, sniff
from commscope.readers.chrome.peek import peek
from commscope.readers.chrome.run import kineto_run
from commscope.readers.runs.trace_format import TraceFormat


def holds_events(path: Path) -> bool:
    """Whether a file holds a list of events."""
    return peek(path).is_trace


KINETO = TraceFormat(NAME, (), sniff, kineto_run, read)

__all__ = ["KINETO", "holds_events"]
