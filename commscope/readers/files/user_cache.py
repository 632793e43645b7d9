"""The user's cache: what was worked out before, in a folder that nobody else may write."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from pathlib import Path

CHOSEN = "COMMSCOPE_CACHE"  # environment variable that names the folder
OFF = "COMMSCOPE_NO_CACHE"  # environment variable that turns the cache off
KINDS = ("analyses", "ranks", "traces")
MOST_BYTES = 8 << 30  # of one kind; the entries used longest ago go first
_ENTRY = re.compile(r"\.?[0-9a-f]{40}(\.parquet)?(\.\w+\.partial)?|\.[0-9a-f]{16}\.partial")
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def cache_folder() -> Path:
    """Where the cache is, whether or not it is there. Raises RuntimeError for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get(CHOSEN) or Path(base) / "commscope")


def entries(kind: str) -> list[tuple[Path, int]]:
    """Entries of one kind with their bytes, and what is left of halves; nothing else that may lie there."""
    with contextlib.suppress(OSError, RuntimeError):
        found = _stats(cache_folder() / kind)
        return [
            (path, facts.st_size)
            for path, facts in found
            if _ENTRY.fullmatch(path.name) and stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid()
        ]
    return []


def user_cache(kind: str) -> Path | None:
    """The folder for one kind of entry, made where it is missing.

    COMMSCOPE_CACHE, else commscope in the user's cache folder. None where it cannot be made, is another
    user's, or may be written by others: then nothing is kept, and nothing is believed.
    """
    try:
        folder = cache_folder()
        for place in (folder, folder / kind):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_mine(place.stat()):
                return None
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        return None
    return folder / kind


def entry_in(folder: Path, name: str) -> Path | None:
    """An entry that is there, is a file, and was written by this user; it counts as used now."""
    entry = folder / name
    try:
        facts = entry.lstat()
        if not stat.S_ISREG(facts.st_mode) or not _is_mine(facts):
            return None
        os.utime(entry)
    except OSError:
        return None
    return entry


def write_entry(folder: Path, name: str, data: bytes) -> None:
    """Put an entry there whole or not at all; its reader checks it, so nobody waits for the disk."""
    descriptor, partial = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(partial).replace(folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(partial).unlink()
        raise


def drop_oldest(folder: Path, most_bytes: int = MOST_BYTES) -> None:
    """Remove entries used longest ago until the rest fits."""
    with contextlib.suppress(OSError):
        entries = [(facts.st_mtime_ns, facts.st_size, path) for path, facts in _stats(folder)]
        excess = sum(size for _, size, _ in entries) - most_bytes
        for _, size, path in sorted(entries):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


def _stats(folder: Path) -> list[tuple[Path, os.stat_result]]:
    return [(path, path.lstat()) for path in folder.iterdir()]


def _is_mine(facts: os.stat_result) -> bool:
    return facts.st_uid == os.geteuid() and not facts.st_mode & _WRITABLE_BY_OTHERS
