"""The cache of large traces.

Takes a part and its reader, gives the trace from the user's cache where the file's content is unchanged.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from commscope.errors import UnreadableTrace
from commscope.readers.files.user_cache import OFF, drop_oldest, entry_in, user_cache
from commscope.readers.slim.parquet_file import read_trace, write_trace
from commscope.schema import EVENTS_SCHEMA_VERSION
from commscope.trace import RankPart, RankTrace, RunInfo

KIND = "traces"
# Below this size the trace itself is read in a fraction of a second.
WORTH_BYTES = 4 << 20
READING = 4  # raised whenever a reader takes something else from the same file

Read = Callable[[RankPart, RunInfo], RankTrace]


def read_cached(part: RankPart, info: RunInfo, read: Read) -> RankTrace:
    """The part's trace, from the cache if that is sound; a folder that cannot be written is no error."""
    content = None if os.environ.get(OFF) or not _is_worth(part.path) else _key_if_readable(part)
    folder = None if content is None else user_cache(KIND)
    if content is None or folder is None:
        return read(part, info)
    found = _lookup(folder, content)
    if found is not None:
        return replace(found, rank=part.rank)
    trace = read(part, info)
    try:
        write_trace(trace, folder / entry_name(content), content=content)
    except OSError:
        return trace
    drop_oldest(folder)
    return trace


def entry_name(content: str) -> str:
    """The name of an entry: of what it was made from, wherever that lies."""
    return f"{content}.parquet"


def content_key(part: RankPart) -> str:
    """A digest of the file, of what was chosen in it, of the schema and of the way of reading."""
    digest = hashlib.blake2b(digest_size=20)
    digest.update(f"{EVENTS_SCHEMA_VERSION}|{READING}|{part.reader}|{part.selector}|".encode())
    with part.path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _key_if_readable(part: RankPart) -> str | None:
    try:
        return content_key(part)
    except OSError:
        return None


def _is_worth(path: Path) -> bool:
    try:
        return path.stat().st_size >= WORTH_BYTES
    except OSError:
        return False


def _lookup(folder: Path, content: str) -> RankTrace | None:
    """What is kept for this content; None where there is nothing, or nothing sound."""
    entry = entry_in(folder, entry_name(content))
    if entry is None:
        return None
    try:
        trace, written_for = read_trace(entry)
    except UnreadableTrace:
        return None
    return trace if written_for == content else None
