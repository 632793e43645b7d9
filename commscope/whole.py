"""Files and folders written whole or not at all; what was there before stays until the new is there.

Takes a place and what to put there. Raises OSError where the system refuses.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import TypeVar

T = TypeVar("T")
IsOurs = Callable[
    [PurePath], bool
]  # of a path inside the folder: whether it goes when the folder is replaced

_AT_FDCWD = -100  # linux/fcntl.h
_RENAME_EXCHANGE = 2  # linux/fs.h
_CANNOT_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees all of it or none; a link is followed, a planted file never.

    What is no regular file, such as a device or a pipe, is written into.
    """
    if path.exists() and not path.is_file():
        with path.open("wb", buffering=0) as sink:
            sink.write(data)
        return
    target = path.resolve()
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if target.is_file():
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def replace_whole(folder: Path, make: Callable[[Path], T], is_ours: IsOurs) -> T:
    """Have `make` fill a new folder beside this one, which then takes its place; gives what `make` gave.

    Until then nothing is touched, and nothing is where `make` raises. Files that are not ours move along.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{secrets.token_hex(8)}.partial")
    beside.mkdir()
    try:
        made = make(beside)
        take_place(beside, folder, is_ours)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return made


def take_place(built: Path, folder: Path, is_ours: IsOurs) -> None:
    """Put a whole folder in the place of another on the same file system, in one step.

    At any moment the place holds all of the old or all of the new. What is not ours moves along.
    """
    folder = folder.resolve()
    _sync(built)
    if not folder.exists() or not any(folder.iterdir()):
        built.rename(folder)
        return
    built.chmod(stat.S_IMODE(folder.stat().st_mode))
    _link_others(folder, built, is_ours)
    old = _exchange(built, folder)
    _link_others(old, folder, is_ours)  # what came meanwhile
    shutil.rmtree(old)


def overlaps(path: Path, folder: Path) -> bool:
    """Whether a path is the folder or lies inside it, whatever links lead there."""
    return path.resolve().is_relative_to(folder.resolve())


def _sync(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(Path(root) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _link_others(source: Path, target: Path, is_ours: IsOurs) -> None:
    """Give every file that is not ours a place in the new folder too."""
    for root, folders, names in os.walk(source):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in (*names, *links):
            file = Path(root) / name
            inside = file.relative_to(source)
            place = target / inside
            if is_ours(PurePath(inside)) or os.path.lexists(place):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, place, follow_symlinks=False)
            except OSError:  # a file system without links
                shutil.copy2(file, place, follow_symlinks=False)


def _exchange(built: Path, folder: Path) -> Path:
    """Swap two folders by renameat2(2), else by two renames; gives where the old one is now."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        names = (_AT_FDCWD, os.fsencode(built), _AT_FDCWD, os.fsencode(folder))
        if renameat2(*names, _RENAME_EXCHANGE) == 0:
            return built
        number = ctypes.get_errno()
        if number not in _CANNOT_EXCHANGE:
            raise OSError(number, os.strerror(number), str(folder))
    old = built.with_name(f".{secrets.token_hex(8)}.old")
    folder.rename(old)
    try:
        built.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    return old
