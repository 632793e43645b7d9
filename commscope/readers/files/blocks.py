"""Bytes of a file.

Takes a path (plain or gzip, told by content), gives blocks of plain bytes, keeps what a damaged end still
gives.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isal import isal_zlib

from commscope.errors import UnreadableTrace

GZIP_MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 1 << 16  # what four of them expand to stays in a core's cache
# A gzip stream expands at most about 1032 times; JSON of a profiler about 12 times. Above the limit it is
# a bomb.
LIMIT_BYTES = 64 << 30
LIMIT_RATIO = 150
LIMIT_RATIO_FROM_BYTES = 128 << 20
_BROKEN: Any = (isal_zlib.error, zlib.error, ValueError, EOFError)


@dataclass(slots=True)
class Damage:
    """What the bytes lacked; filled while blocks are taken."""

    truncated: bool = False
    corrupt: bool = False
    too_large: bool = False
    plain_bytes: int = 0


def blocks_of(path: Path, damage: Damage) -> Iterator[bytes]:
    """Plain bytes of a file in blocks; a broken gzip end is noted in `damage`, not raised."""
    try:
        with path.open("rb") as file:
            head = file.read(2)
            file.seek(0)
            source = _inflate(file, damage) if head == GZIP_MAGIC else _plain(file)
            for block in source:
                damage.plain_bytes += len(block)
                yield block
    except OSError as error:
        raise unreadable(path, error) from error


def whole(path: Path, damage: Damage, most_bytes: int) -> bytes | None:
    """All plain bytes of a file; None where they are more than that."""
    text = bytearray()
    for block in blocks_of(path, damage):
        text += block
        if len(text) > most_bytes:
            return None
    return bytes(text)


def unreadable(path: Path, error: OSError) -> UnreadableTrace:
    """The user's error for a file the system refuses."""
    if isinstance(error, PermissionError):
        return UnreadableTrace(
            "no permission to read", where=str(path), hint="check the owner and mode of the file"
        )
    if isinstance(error, FileNotFoundError):
        return UnreadableTrace("no such file or folder", where=str(path), hint="check the path")
    if isinstance(error, IsADirectoryError):
        return UnreadableTrace(
            "a folder where a file was expected", where=str(path), hint="name a file in it"
        )
    reason = error.strerror or type(error).__name__
    return UnreadableTrace(f"cannot read: {reason}", where=str(path), hint="check the path and the disk")


def _plain(file: Any) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _inflate(file: Any, damage: Damage) -> Iterator[bytes]:
    """Raw members one after another: unlike gzip's reader it keeps what came before a damaged place."""
    taken_bytes = given_bytes = 0
    member = isal_zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    started = False
    while data := file.read(BLOCK_BYTES):
        taken_bytes += len(data)
        while data:
            started = True
            try:
                block = member.decompress(data, 4 * BLOCK_BYTES)
            except _BROKEN:
                damage.corrupt = True
                return
            given_bytes += len(block)
            if _is_bomb(taken_bytes, given_bytes):
                damage.too_large = True
                return
            if block:
                yield block
            if member.eof:
                data = member.unused_data.lstrip(b"\x00")
                member = isal_zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
                started = False
            else:
                data = member.unconsumed_tail
    yield from _rest(member, damage, started)


def _rest(member: Any, damage: Damage, started: bool) -> Iterator[bytes]:
    if not started:
        return
    damage.truncated = True
    try:
        block = member.flush()
    except _BROKEN:
        return
    if block:
        yield block


def _is_bomb(taken_bytes: int, given_bytes: int) -> bool:
    return given_bytes > LIMIT_BYTES or (
        given_bytes > LIMIT_RATIO_FROM_BYTES and given_bytes > LIMIT_RATIO * taken_bytes
    )
