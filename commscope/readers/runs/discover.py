"""What files lie at a path and which rank their names say: takes a folder, gives files, names and ranks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from commscope.errors import UnreadableTrace
from commscope.readers.files.blocks import unreadable
from commscope.readers.runs.manifest import MANIFEST
from commscope.schema import Source
from commscope.trace import RunInfo

BESIDE = (MANIFEST, "expected.json")  # of ours, beside the traces of a run
TRACE_ENDINGS = (".json", ".json.gz", ".trace", ".trace.gz", ".pt.trace", ".sqlite", ".sqlite3", ".parquet")
DEEPEST = 3
RANK_IN_NAME = re.compile(r"(?i)(?:rank|worker|(?<![a-z])r)[-_.=]?(\d{1,7})(?!\d)")
# Logs of NCCL Inspector, and dumps of the flight recorder, which have no ending.
_OTHER_NAMES = re.compile(r"(?i)(?:pid\d+\.(?:log|jsonl)|trace_rank_\d+)(?:\.gz)?\Z")
_LAST_NUMBER = re.compile(r"(\d+)(?=\D*\Z)")


def head_of(path: Path) -> bytes:
    """First bytes of a file, as stored."""
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError as error:
        raise unreadable(path, error) from error


def bare_info(path: Path, source: Source) -> RunInfo:
    """What is known of a single file."""
    return RunInfo(name=stem(path), path=path, source=source)


def stem(path: Path) -> str:
    """File name without the endings of traces."""
    name = path.name
    for ending in (".gz", ".json", ".trace", ".pt", ".sqlite", ".parquet"):
        name = name.removesuffix(ending)
    return name or path.name


def trace_files(folder: Path) -> list[Path]:
    """Files of a folder that may be traces; where it has none itself, of its subfolders.

    Links to folders are not followed.
    """
    try:
        top = sorted(entry for entry in folder.iterdir() if _may_be_trace(entry))
    except OSError as error:
        raise unreadable(folder, error) from error
    if top:
        return top
    found: list[Path] = []
    for root, folders, names in os.walk(folder, followlinks=False, onerror=_refused):
        if len(Path(root).relative_to(folder).parts) >= DEEPEST:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found.extend(Path(root) / name for name in sorted(names))
    return [path for path in found if _may_be_trace(path)]


def _refused(error: OSError) -> None:
    """A folder that cannot be looked into may hold ranks."""
    raise unreadable(Path(error.filename), error) from error


def is_named_as_trace(path: Path) -> bool:
    """Whether a file has a name that traces have."""
    return path.name.lower().endswith(TRACE_ENDINGS) or _OTHER_NAMES.search(path.name) is not None


def _may_be_trace(path: Path) -> bool:
    if path.name.startswith(".") or path.name in BESIDE or not is_named_as_trace(path):
        return False
    try:
        return path.is_file()
    except OSError:
        return False


def rank_in_name(path: Path, folder: Path) -> int | None:
    """The rank a file's name tells (rank0, worker3, ...), else its folder's inside the run."""
    inside = path.relative_to(folder).parts if path.is_relative_to(folder) else (path.name,)
    for part in reversed(inside):
        told = RANK_IN_NAME.findall(part)
        if told:
            return int(told[-1])
    return None


def rank_said(path: Path, ranks: Mapping[str, int]) -> int | None:
    """The rank the user gave a file, named by path, by name or without its endings."""
    return next((ranks[name] for name in (str(path), path.name, stem(path)) if name in ranks), None)


def numbers_in_names(files: Iterable[Path]) -> dict[Path, int] | None:
    """Names that differ in their last number only, and count 0, 1, 2, ...: those are the ranks."""
    numbers, rests = {}, set()
    for file in files:
        name = stem(file)
        match = _LAST_NUMBER.search(name)
        if match is None:
            return None
        numbers[file] = int(match[1])
        rests.add((name[: match.start()], name[match.end() :]))
    if len(rests) != 1 or sorted(numbers.values()) != list(range(len(numbers))):
        return None
    return numbers


def rank_twice(rank: int, first: Path, second: Path, path: Path) -> UnreadableTrace:
    """The user's error for two files of one rank."""
    return UnreadableTrace(
        f"rank {rank} is there twice: {_inside(first, path)} and {_inside(second, path)}",
        where=str(path),
        hint="two runs? put each into a folder of its own, or say the rank with --rank FILE=N",
    )


def _inside(file: Path, path: Path) -> str:
    return str(file.relative_to(path)) if file.is_relative_to(path) else file.name
