"""The runs a dashboard shows: folders -> analyses, read once at the start, and comparisons made once each."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, TypeVar

from commscope.analysis.result import Analysis
from commscope.compare import Comparison, compare
from commscope.errors import CommScopeError, UsageProblem
from commscope.readers import open_run
from commscope.readers.doctor import Finding

Read = Callable[[Path], tuple[Analysis, tuple[Finding, ...] | None]]
Compare = Callable[[Analysis, Analysis], Comparison]
Say = Callable[[str], None]
_COMPARISONS_KEPT = 64
_RUNS_KEPT = 256
_FIGURES_KEPT = 64  # a few megabytes each where ranks are many
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run by its key in the URL: analyzed, or the error that says why not."""

    key: str
    path: Path
    analysis: Analysis | None = None
    error: CommScopeError | None = None
    findings: tuple[Finding, ...] | None = None  # None: not examined


class Library:
    """Loaded runs by key, in the order given."""

    def __init__(self, runs: Sequence[LoadedRun], *, compare: Compare = compare) -> None:
        self.runs = tuple(runs)
        self._kept: dict[Hashable, Any] = {}
        self._recorded = {run.key: recorded_files(run.path) for run in self.readable}
        self._open_run = lru_cache(maxsize=_RUNS_KEPT)(open_run)
        self._compare = compare
        self._comparing = Lock()
        self._comparison = lru_cache(maxsize=_COMPARISONS_KEPT)(self._compare_keys)

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave for that key before, else what it gives now: runs do not change while shown."""
        if key not in self._kept:
            while len(self._kept) >= _FIGURES_KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[key] = make()
        kept: T = self._kept[key]
        return kept

    @property
    def readable(self) -> tuple[LoadedRun, ...]:
        """Runs that could be analyzed."""
        return tuple(run for run in self.runs if run.analysis is not None)

    @property
    def failed(self) -> tuple[LoadedRun, ...]:
        """Runs that could not."""
        return tuple(run for run in self.runs if run.error is not None)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the runs that can be shown."""
        return tuple(run.key for run in self.readable)

    def run(self, key: str) -> LoadedRun | None:
        """The run of that key, where it can be shown."""
        return next((run for run in self.readable if run.key == key), None)

    def analysis(self, key: str) -> Analysis | None:
        """The analysis of that key."""
        run = self.run(key)
        return None if run is None else run.analysis

    def trace_file(self, key: str, rank: int) -> Path | None:
        """The recorded file of a rank, where it is still there."""
        run = self.run(key)
        if run is None:
            return None
        try:
            parts = self._open_run(run.path).parts
        except CommScopeError:
            return None
        return next((part.path for part in parts if part.rank == rank and part.path.is_file()), None)

    def opened(self, key: str, path: Path) -> BinaryIO | None:
        """A recorded file opened, where it is still the one that stood there when the run was loaded."""
        try:
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
        except OSError:
            return None
        if identity(os.fstat(file.fileno())) in self._recorded.get(key, frozenset()):
            return file
        file.close()
        return None

    def comparison(self, baseline: str, candidate: str) -> Comparison | CommScopeError | None:
        """Both runs compared; the error where they cannot be; None where one is not there."""
        if self.analysis(baseline) is None or self.analysis(candidate) is None:
            return None
        with self._comparing:  # the callbacks of a page ask at once; one of them compares, the others wait
            return self._comparison(baseline, candidate)

    def _compare_keys(self, baseline: str, candidate: str) -> Comparison | CommScopeError:
        first, second = self.analysis(baseline), self.analysis(candidate)
        if first is None or second is None:
            return UsageProblem("a run of the comparison is not there")
        try:
            return self._compare(first, second)
        except CommScopeError as error:
            return error


def recorded_files(path: Path) -> frozenset[tuple[int, int]]:
    """Identities of the regular files of a run: one that is put in their place later is another file."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return frozenset(identity(file.stat()) for file in files if file.is_file())


def identity(status: os.stat_result) -> tuple[int, int]:
    """Device and inode of a file."""
    return status.st_dev, status.st_ino


def load(paths: Iterable[Path], *, read: Read, say: Say) -> tuple[LoadedRun, ...]:
    """Read every run once; one that cannot be read keeps its error and does not stop the others."""
    paths = tuple(paths)
    loaded: list[LoadedRun] = []
    for place, path in enumerate(paths, start=1):
        say(f"analyzing {path.name} ({place} of {len(paths)})")
        key = unique_key(path.name or "run", [run.key for run in loaded])
        try:
            analysis, findings = read(path)
            loaded.append(LoadedRun(key, path, analysis=analysis, findings=findings))
        except CommScopeError as error:
            loaded.append(LoadedRun(key, path, error=error))
    return tuple(loaded)


def unique_key(name: str, taken: Sequence[str]) -> str:
    """The name, with a number behind it where it is taken."""
    if name not in taken:
        return name
    return next(
        key for key in (f"{name}~{number}" for number in range(2, len(taken) + 3)) if key not in taken
    )
