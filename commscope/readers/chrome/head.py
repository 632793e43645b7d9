"""What stands before the events of a Chrome trace: takes blocks of bytes, gives `Head`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LIMIT_BYTES = 32 << 20
BLANK = b"\xef\xbb\xbf \t\r\n"
EVENTS_KEY = re.compile(rb'"traceEvents"\s*:\s*\[')
_LONGEST_KEY = 64


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a file.

    Metadata until `key_at`, events from `events_at`; both are -1 where there are no events.
    """

    text: bytearray
    key_at: int = -1
    events_at: int = -1
    is_list: bool = False  # a bare list of events, without metadata


def read_head(blocks: Iterator[bytes]) -> Head:
    """Reads until the events begin, or until it is clear that they do not."""
    buffer = bytearray()
    searched = 0
    for block in blocks:
        buffer += block
        if not searched:
            buffer = buffer.lstrip(BLANK)
            if not buffer:
                continue
            if buffer[:1] == b"[":
                return Head(buffer, 0, 1, is_list=True)
            if buffer[:1] != b"{":
                break
        found = EVENTS_KEY.search(buffer, max(0, searched - _LONGEST_KEY))
        if found is not None:
            return Head(buffer, found.start(), found.end())
        searched = len(buffer)
        if searched > LIMIT_BYTES:
            break
    return Head(buffer)
