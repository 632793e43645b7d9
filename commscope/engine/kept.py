"""Answers kept in the user's cache: takes a run, gives the function that analyzes one of its ranks.

An answer is kept under all that it depends on: the content of the rank's file, what was chosen in it, the
facts of the run, and the code itself. So one that is found is the one that would be worked out.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import commscope
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import RankAnalysis
from commscope.engine.packing import Packing, plain_bytes
from commscope.engine.workers import size_bytes
from commscope.readers import content_key, read_past_cache, read_rank
from commscope.readers.files.user_cache import OFF, drop_oldest, entry_in, user_cache, write_entry
from commscope.trace import RankPart, Run, RunInfo

KIND = "ranks"
WORTH_BYTES = 4 << 20  # of the files of a run; a smaller one is analyzed in a fraction of a second
_PACKING: Packing[RankAnalysis] = Packing(RankAnalysis)


@dataclass(frozen=True, slots=True)
class Kept:
    """Where answers are kept, and a digest of what they depend on beside a rank's file."""

    folder: Path
    beside: str


def analysis_of(run: Run) -> Callable[[RankPart, RunInfo], RankAnalysis]:
    """What analyzes a rank of this run, from the cache where the run is large enough."""
    folder = None if os.environ.get(OFF) or size_bytes(run.parts) < WORTH_BYTES else user_cache(KIND)
    if folder is None:
        return analyze_part
    return partial(analyze_kept, kept=Kept(folder, _beside(run.info)))


def analyze_part(part: RankPart, info: RunInfo) -> RankAnalysis:
    """Read and analyze one rank: what each worker does."""
    return analyze_rank(read_rank(part, info))


def analyze_kept(part: RankPart, info: RunInfo, kept: Kept) -> RankAnalysis:
    """The same, worked out once for the same content; what cannot be kept is only worked out again."""
    try:
        name = _name(part, kept)
    except OSError:  # which reading tells better
        return analyze_part(part, info)
    entry = entry_in(kept.folder, name)
    with contextlib.suppress(OSError):
        found = None if entry is None else _PACKING.unpacked(entry.read_bytes())
        if found is not None:
            return found
    made = analyze_rank(read_past_cache(part, info))
    with contextlib.suppress(OSError, TypeError, ValueError):
        write_entry(kept.folder, name, _PACKING.packed(made))
    return made


def clear_up() -> None:
    """Drop the answers used longest ago where there are too many."""
    folder = user_cache(KIND) if not os.environ.get(OFF) else None
    if folder is not None:
        drop_oldest(folder)


def _name(part: RankPart, kept: Kept) -> str:
    digest = hashlib.blake2b(f"{kept.beside}|{part.rank}|{content_key(part)}".encode(), digest_size=20)
    return digest.hexdigest()


def _beside(info: RunInfo) -> str:
    """Facts of the run, wherever it lies and whatever it is called, and the code."""
    facts = plain_bytes(replace(info, name="", path=Path()))
    return hashlib.blake2b(code_digest().encode() + facts, digest_size=20).hexdigest()


@cache
def code_digest() -> str:
    """A digest of this very code: another version may answer differently."""
    digest = hashlib.blake2b(commscope.__version__.encode(), digest_size=20)
    root = Path(commscope.__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(f"\0{file.relative_to(root)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
