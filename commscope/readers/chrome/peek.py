"""What a trace says of itself without reading its events: takes a path, gives `Peek`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commscope.readers.chrome.head import read_head
from commscope.readers.chrome.several_ranks import fused_ranks
from commscope.readers.files.blocks import Damage, blocks_of
from commscope.readers.files.values import NOT_JSON
from commscope.readers.names.communication import groups_of, rank_of, world_size_of
from commscope.trace import ProcessGroup

INFO_LIMIT_BYTES = 16 << 20
_INFO_KEY = re.compile(rb'"distributedInfo"\s*:\s*(?=\{)')
_EVENT_KEY = re.compile(rb'"(?:ph|ts|cat)"\s*:')
_KEEP_BYTES = 256


@dataclass(frozen=True, slots=True)
class Peek:
    """Identity of one trace file; None where it does not say."""

    is_trace: bool
    is_empty: bool = False
    rank: int | None = None
    world_size: int | None = None
    groups: tuple[ProcessGroup, ...] = ()
    fused: tuple[tuple[int, str], ...] = ()  # rank and selector of each, in a file that holds several


def peek(path: Path) -> Peek:
    """Identity of a Kineto trace. Raises UnreadableTrace where the system refuses the file."""
    damage = Damage()
    blocks = blocks_of(path, damage)
    begun = read_head(blocks)
    head = bytes(begun.text)
    if begun.events_at < 0 or (begun.is_list and not _is_bare_list(head)):
        return Peek(False, is_empty=not head.strip())
    info = _info(head, blocks)
    rank = rank_of(info)
    return Peek(
        True,
        rank=rank,
        world_size=world_size_of(info),
        groups=groups_of(info),
        fused=fused_ranks(path, head) if rank is None else (),
    )


def _is_bare_list(text: bytes) -> bool:
    return _EVENT_KEY.search(text) is not None or text[1:].strip() in {b"", b"]"}


def _info(head: bytes, blocks: Iterator[bytes]) -> dict[str, Any]:
    """distributedInfo wherever at the top level it stands; it may come after all events."""
    buffer = bytearray(head)
    while (found := _INFO_KEY.search(buffer)) is None:
        del buffer[:-_KEEP_BYTES]
        block = next(blocks, b"")
        if not block:
            return {}
        buffer += block
    del buffer[: found.end()]
    tried = 0
    while True:
        block = next(blocks, b"")
        # Tried again only when twice as long: the object is usually whole in the first block.
        if not block or len(buffer) >= 2 * tried:
            value = _object(bytes(buffer))
            if value is not None or not block or len(buffer) > INFO_LIMIT_BYTES:
                return value or {}
            tried = len(buffer)
        buffer += block


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text.decode("utf-8", errors="replace"))
    except NOT_JSON:
        return None
    return value if isinstance(value, dict) else None
