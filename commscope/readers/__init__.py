"""Readers: take a path, give a Run and then one RankTrace a rank."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from commscope.errors import UnreadableTrace
from commscope.readers.chrome import KINETO, holds_events
from commscope.readers.files.blocks import GZIP_MAGIC, Damage, blocks_of, unreadable
from commscope.readers.nsys import NSYS
from commscope.readers.others import CALLS_ONLY, OTHERS
from commscope.readers.runs.discover import head_of, trace_files
from commscope.readers.runs.trace_format import TraceFormat
from commscope.readers.slim import COLUMNAR, content_key, read_cached
from commscope.readers.slim import slim as slim_run
from commscope.trace import RankPart, RankTrace, Run, RunInfo

READERS = (COLUMNAR, NSYS, *OTHERS, KINETO)
_BY_NAME = {one.name: one for one in READERS}
_BY_ENDING = {ending: one for one in READERS for ending in one.endings}


def open_run(path: Path, *, ranks: Mapping[str, int] | None = None) -> Run:
    """The run at a path: a folder of ranks, or one file. `ranks` says the rank of files that do not.

    Raises UnreadableTrace, which says what, where and what to do, when there is no run or its ranks cannot
    be told.
    """
    path = Path(path)
    said: Mapping[str, int] = ranks or {}
    try:
        is_folder = path.is_dir()
        if not is_folder and not path.exists():
            raise UnreadableTrace("no such file or folder", where=str(path), hint="check the path")
    except OSError as error:
        raise unreadable(path, error) from error
    return _folder(path, said) if is_folder else _file(path, said)


def _folder(path: Path, said: Mapping[str, int]) -> Run:
    kinds: dict[str, list[Path]] = {}
    for file in trace_files(path):
        kinds.setdefault(_format_of(file).name, []).append(file)
    if KINETO.name in kinds and set(kinds) <= {KINETO.name, *CALLS_ONLY}:
        timed = any(holds_events(file) for file in kinds[KINETO.name])
        kinds = {KINETO.name: [file for files in kinds.values() for file in files]} if timed else kinds
    if len(kinds) > 1:
        first, second = (files[0].name for files in list(kinds.values())[:2])
        raise UnreadableTrace(
            f"two kinds of traces in one folder: {first} and {second}",
            where=str(path),
            hint="name one file, or put each kind into a folder of its own",
        )
    name, files = next(iter(kinds.items()), (KINETO.name, []))
    return _BY_NAME[name].find(path, files, said)


def _format_of(file: Path) -> TraceFormat:
    """By its ending where that says it, else by its first bytes."""
    known = _BY_ENDING.get(file.suffix.lower())
    head = b"" if known else _plain_head(file)
    return known or next((one for one in OTHERS if one.sniff(file, head)), KINETO)


def _plain_head(path: Path) -> bytes:
    """First bytes of a file, of what gzip holds where it is gzip."""
    stored = head_of(path)
    return next(blocks_of(path, Damage()), stored) if stored.startswith(GZIP_MAGIC) else stored


def _file(path: Path, said: Mapping[str, int]) -> Run:
    if not path.is_file():
        raise UnreadableTrace("neither a file nor a folder", where=str(path), hint="check the path")
    head = _plain_head(path)
    if not head:
        raise UnreadableTrace(
            "the file is empty", where=str(path), hint="record again; a rank that dies leaves no trace"
        )
    found = next((one for one in READERS if one.sniff(path, head)), KINETO)
    return found.find(path, [path], said)


def read_rank(part: RankPart, info: RunInfo) -> RankTrace:
    """One rank's trace, whole. Raises UnreadableTrace where it is none."""
    known = _reader_of(part)
    return known.read(part, info) if known is COLUMNAR else read_cached(part, info, known.read)


def read_past_cache(part: RankPart, info: RunInfo) -> RankTrace:
    """The same from the file itself, for those who keep what they make of it."""
    return _reader_of(part).read(part, info)


def _reader_of(part: RankPart) -> TraceFormat:
    known = _BY_NAME.get(part.reader)
    if known is None:
        raise UnreadableTrace(
            f"no reader named {part.reader!r}", where=str(part.path), hint="open the run again"
        )
    return known


def slim(run: Run, out: Path, *, replace_run: bool = False) -> tuple[Path, ...]:
    """Write a run in its small columnar form; gives the files written.

    Raises UsageProblem where `out` holds something, but for a slim run that is to be replaced.
    """
    return slim_run(run, Path(out), read_rank, replace_run=replace_run)


__all__ = ["READERS", "content_key", "open_run", "read_past_cache", "read_rank", "slim"]
