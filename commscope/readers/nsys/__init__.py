"""SQLite exports of Nsight Systems.

Files in; Run, then columns of one rank out.
"""

from __future__ import annotations

from commscope.readers.nsys.one_rank import NAME, read, sniff
from commscope.readers.nsys.run import nsys_run
from commscope.readers.runs.trace_format import TraceFormat

NSYS = TraceFormat(NAME, (".sqlite", ".sqlite3"), sniff, nsys_run, read)

__all__ = ["NSYS"]
