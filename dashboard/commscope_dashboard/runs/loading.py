"""From a path to an Analysis, kept by content so that a run is analyzed once."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

from commscope import engine
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis, RankAnalysis
from commscope.readers import open_run, read_rank
from commscope.readers.doctor import Finding, RankHealth, diagnose, health_of
from commscope.readers.files.user_cache import drop_oldest, entry_in, user_cache
from commscope.readers.runs.manifest import MANIFEST
from commscope.trace import RankPart, RunInfo
from commscope.whole import write_whole

KIND = "analyses"
_CHUNK_BYTES = 1 << 20
PACKING: engine.Packing[tuple[Analysis, tuple[Finding, ...]]] = engine.Packing(
    tuple[Analysis, tuple[Finding, ...]]
)


def read_path(path: Path) -> tuple[Analysis, tuple[Finding, ...]]:
    """The analysis of a run and what the doctor finds in it, from one reading. Raises CommScopeError."""
    run = open_run(path)
    read = list(engine.over_ranks(run, _analyze_and_examine))
    health = sorted((one for _, one in read), key=lambda one: one.rank)
    return join(run.info, [rank for rank, _ in read], run.gaps), diagnose(run, health)


def read_cached(path: Path) -> tuple[Analysis, tuple[Finding, ...]]:
    """The same, from the user's cache where these very files were read by this very code before."""
    run = open_run(path)
    folder = user_cache(KIND)
    if folder is None:
        return read_path(path)
    name = _digest(path, sorted({part.path for part in run.parts} | {run.info.path / MANIFEST}))
    kept = _kept(folder, name)
    if kept is not None:
        return kept
    made = read_path(path)
    with contextlib.suppress(OSError, TypeError, ValueError):  # a full disk only costs the cache
        write_whole(folder / name, PACKING.packed(made))
        drop_oldest(folder)
    return made


def _kept(folder: Path, name: str) -> tuple[Analysis, tuple[Finding, ...]] | None:
    entry = entry_in(folder, name)
    try:
        return None if entry is None else PACKING.unpacked(entry.read_bytes())
    except OSError:
        return None


def _analyze_and_examine(part: RankPart, info: RunInfo) -> tuple[RankAnalysis, RankHealth]:
    trace = read_rank(part, info)
    return analyze_rank(trace), health_of(trace)


def _digest(path: Path, files: Iterable[Path]) -> str:
    """Content of the files and of the code that reads them: another version may answer differently."""
    digest = hashlib.blake2b(f"{engine.code_digest()}\0{path.resolve()}".encode(), digest_size=20)
    for file in files:
        _feed(digest, file)
    return digest.hexdigest()


def _feed(digest: hashlib.blake2b, file: Path) -> None:
    if not file.is_file():
        return
    digest.update(f"\0{file.name}\0".encode())
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
