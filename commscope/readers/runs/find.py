"""Runs inside folders: takes paths, gives the path of each run found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from commscope.readers.runs.discover import TRACE_ENDINGS, rank_in_name
from commscope.readers.runs.manifest import MANIFEST

_DEEPEST = 2


def find_runs(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Each path itself where it is a run, or the runs inside it where it is a folder of runs."""
    return tuple(dict.fromkeys(run for path in paths for run in _runs_at(Path(path), _DEEPEST)))


def _runs_at(path: Path, depth: int) -> list[Path]:
    if not path.is_dir() or (path / MANIFEST).exists() or _has_traces(path):
        return [path]
    folders = sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
    if depth == 0 or not folders or all(rank_in_name(child, path) is not None for child in folders):
        return [path]
    inside = [run for child in folders for run in _runs_at(child, depth - 1)]
    found = [run for run in inside if (run / MANIFEST).exists() or _has_traces(run)]
    return found or [path]


def _has_traces(folder: Path) -> bool:
    return any(child.is_file() and child.name.endswith(TRACE_ENDINGS) for child in folder.iterdir())
