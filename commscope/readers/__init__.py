"""Readers: take a path, give a Run and then one RankTrace a rank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from commscope.errors import UnreadableTrace
from commscope.readers import columnar, kineto, nsys
from commscope.readers.blocks import unreadable
from commscope.readers.cache import read_cached
from commscope.readers.discover import head_of, kineto_run, trace_files
from commscope.readers.nsys_run import nsys_run
from commscope.trace import RankPart, RankTrace, Run, RunInfo

Sniff = Callable[[Path, bytes], bool]
Read = Callable[[RankPart, RunInfo], RankTrace]
Find = Callable[[Path, list[Path], Mapping[str, int]], Run]
READERS: tuple[tuple[str, Sniff, Read], ...] = (
    (columnar.NAME, columnar.sniff, columnar.read),
    (nsys.NAME, nsys.sniff, nsys.read),
    (kineto.NAME, kineto.sniff, kineto.read),
)
_RUNS: dict[str, Find] = {
    columnar.NAME: columnar.columnar_run,
    nsys.NAME: nsys_run,
    kineto.NAME: kineto_run,
}
_ENDINGS = {".sqlite": nsys.NAME, ".sqlite3": nsys.NAME, ".parquet": columnar.NAME}


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
        kinds.setdefault(_ENDINGS.get(file.suffix.lower(), kineto.NAME), []).append(file)
    if len(kinds) > 1:
        first, second = (files[0].name for files in list(kinds.values())[:2])
        raise UnreadableTrace(
            f"two kinds of traces in one folder: {first} and {second}",
            where=str(path),
            hint="name one file, or put each kind into a folder of its own",
        )
    name, files = next(iter(kinds.items()), (kineto.NAME, []))
    return _RUNS[name](path, files, said)


def _file(path: Path, said: Mapping[str, int]) -> Run:
    if not path.is_file():
        raise UnreadableTrace("neither a file nor a folder", where=str(path), hint="check the path")
    head = head_of(path)
    if not head:
        raise UnreadableTrace(
            "the file is empty", where=str(path), hint="record again; a rank that dies leaves no trace"
        )
    name = next((name for name, sniff, _ in READERS if sniff(path, head)), kineto.NAME)
    return _RUNS[name](path, [path], said)


def read_rank(part: RankPart, info: RunInfo) -> RankTrace:
    """One rank's trace, whole. Raises UnreadableTrace where it is none."""
    for name, _, read in READERS:
        if name == part.reader:
            return read_cached(part, info, read) if name != columnar.NAME else read(part, info)
    raise UnreadableTrace(f"no reader named {part.reader!r}", where=str(part.path), hint="open the run again")


def slim(run: Run, out: Path) -> tuple[Path, ...]:
    """Write a run in its small columnar form; gives the files written.

    Raises UsageProblem where `out` holds something.
    """
    return columnar.slim(run, Path(out), read_rank)


__all__ = ["READERS", "open_run", "read_rank", "slim"]
