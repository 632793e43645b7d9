"""Runs inside folders: takes paths, gives the path of each run found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from commscope.readers.files.blocks import unreadable
from commscope.readers.runs.discover import is_named_as_trace, rank_in_name
from commscope.readers.runs.manifest import MANIFEST

_DEEPEST = 2


def find_runs(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Each path itself where it is a run, or the runs inside it where it is a folder of runs.

    Raises UnreadableTrace for a folder that cannot be looked into.
    """
    return tuple(dict.fromkeys(run for path in paths for run in _runs_at(Path(path), _DEEPEST)))


def passed_over(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Folders inside folders of runs that hold no run themselves, such as what a failed recording left."""
    return tuple(dict.fromkeys(folder for path in paths for folder in _empty_at(Path(path), _DEEPEST)))


def holds_runs(path: Path) -> bool:
    """Whether it is a folder of runs, not a run."""
    return find_runs([path]) != (path,)


def _empty_at(path: Path, depth: int) -> list[Path]:
    if not holds_runs(path):
        return []
    return [
        lost
        for child in _folders(path)
        for lost in (_empty_at(child, depth - 1) if _holds_a_run(child, depth - 1) else [child])
    ]


def _holds_a_run(path: Path, depth: int) -> bool:
    return any(_is_run(run) for run in _runs_at(path, depth))


def _is_run(path: Path) -> bool:
    """Traces or facts of its own, or a folder for each rank with traces."""
    if (path / MANIFEST).exists() or _has_traces(path):
        return True
    folders = _folders(path)
    is_by_rank = bool(folders) and all(rank_in_name(child, path) is not None for child in folders)
    return is_by_rank and any(map(_has_traces, folders))


def _folders(path: Path) -> list[Path]:
    found = _children(path)
    return sorted(child for child in found if child.is_dir() and not child.name.startswith("."))


def _children(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError as error:
        raise unreadable(path, error) from error


def _runs_at(path: Path, depth: int) -> list[Path]:
    if not path.is_dir() or (path / MANIFEST).exists() or _has_traces(path):
        return [path]
    folders = _folders(path)
    if depth == 0 or not folders or all(rank_in_name(child, path) is not None for child in folders):
        return [path]
    inside = [run for child in folders for run in _runs_at(child, depth - 1)]
    found = [run for run in inside if _is_run(run)]
    return found or [path]


def _has_traces(folder: Path) -> bool:
    return any(child.is_file() and is_named_as_trace(child) for child in _children(folder))
