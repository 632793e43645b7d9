"""From a path to an Analysis, kept by content so that a run is analyzed once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TypeVar

import commscope
from commscope import engine
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis, RankAnalysis
from commscope.readers import open_run, read_rank
from commscope.readers.doctor import Finding, RankHealth, diagnose, health_of
from commscope.readers.runs.manifest import MANIFEST
from commscope.trace import RankPart, RunInfo

_CHUNK_BYTES = 1 << 20
T = TypeVar("T")


def read_path(path: Path) -> tuple[Analysis, tuple[Finding, ...]]:
    """The analysis of a run and what the doctor finds in it, from one reading. Raises CommScopeError."""
    run = open_run(path)
    read = list(engine.over_ranks(run, _analyze_and_examine))
    health = sorted((one for _, one in read), key=lambda one: one.rank)
    return join(run.info, [rank for rank, _ in read], run.gaps), diagnose(run, health)


def read_cached(path: Path) -> tuple[Analysis, tuple[Finding, ...]]:
    """The same, from the cache where these very files were read by this very code before.

    The cache is a private folder of the user; entries are pickles that only this program wrote.
    """
    return _cached(path, "read", tuple, read_path)


def _analyze_and_examine(part: RankPart, info: RunInfo) -> tuple[RankAnalysis, RankHealth]:
    trace = read_rank(part, info)
    return analyze_rank(trace), health_of(trace)


def _cached(path: Path, what: str, kind: type[T], make: Callable[[Path], T]) -> T:
    run = open_run(path)
    files = sorted({part.path for part in run.parts} | {run.info.path / MANIFEST})
    entry = cache_folder() / f"{_digest(path, files)}.{what}"
    kept = _kept(entry)
    if isinstance(kept, kind):
        return kept
    made = make(path)
    _keep(entry, made)
    return made


def cache_folder() -> Path:
    """Where analyses are kept: COMMSCOPE_CACHE, else the user's cache folder."""
    said = os.environ.get("COMMSCOPE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(said) if said else Path(base) / "commscope"


def _digest(path: Path, files: Iterable[Path]) -> str:
    """Content of the files and of the code that reads them: another version may answer differently."""
    digest = hashlib.blake2b(f"{_code_digest()}\0{path.resolve()}".encode(), digest_size=20)
    for file in files:
        _feed(digest, file)
    return digest.hexdigest()


@cache
def _code_digest() -> str:
    digest = hashlib.blake2b(commscope.__version__.encode(), digest_size=20)
    for file in sorted(Path(commscope.__file__).parent.rglob("*.py")):
        _feed(digest, file)
    return digest.hexdigest()


def _feed(digest: hashlib.blake2b, file: Path) -> None:
    if not file.is_file():
        return
    digest.update(f"\0{file.name}\0".encode())
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)


def _kept(entry: Path) -> object:
    try:
        with entry.open("rb") as stream:
            return pickle.load(stream)
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError):
        return None


def _keep(entry: Path, made: object) -> None:
    """Moved into place when whole, so that no reader sees half; a full disk only costs the cache."""
    with contextlib.suppress(OSError):
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=entry.parent, delete=False) as stream:
            pickle.dump(made, stream, protocol=pickle.HIGHEST_PROTOCOL)
        Path(stream.name).replace(entry)
