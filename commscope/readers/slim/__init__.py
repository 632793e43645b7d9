"""Slim runs and the cache, both Parquet.

A Run or its files in; small files, or columns of one rank, out.
"""

from __future__ import annotations

from commscope.readers.runs.trace_format import TraceFormat
from commscope.readers.slim.cache import content_key, read_cached
from commscope.readers.slim.run import NAME, columnar_run, read, slim, sniff

COLUMNAR = TraceFormat(NAME, (".parquet",), sniff, columnar_run, read)

__all__ = ["COLUMNAR", "content_key", "read_cached", "slim"]
