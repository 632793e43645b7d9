"""Events of a Chrome trace that is not Kineto's, one by one and whole: takes a path, gives dicts."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from commscope.errors import UnreadableTrace
from commscope.readers.files.blocks import Damage, whole
from commscope.readers.files.values import json_loose

_LARGEST_BYTES = 4 << 30
_US = 1_000


def events_of(path: Path, damage: Damage) -> Iterator[dict[str, Any]]:
    """The events in the order of the file; a list that is not closed is read to its last whole event."""
    text = whole(path, damage, _LARGEST_BYTES)
    if text is None:
        raise UnreadableTrace("the trace is larger than 4 GiB", where=str(path), hint="record fewer steps")
    said = _whole(text)
    if said is None:
        said = _salvaged(text)
        damage.truncated = damage.truncated or said is not None
    rows = said.get("traceEvents") if isinstance(said, dict) else said
    yield from (row for row in rows or () if isinstance(row, dict))


def _whole(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return json_loose(text)


def _salvaged(text: bytes) -> Any:
    """A list cut off, or one that ends with a comma as plugins leave it."""
    last = text.rfind(b"}")
    return None if last < 0 else _whole(text[: last + 1] + (b"]" if text.lstrip()[:1] == b"[" else b"]}"))


def arguments_of(event: dict[str, Any]) -> dict[str, Any]:
    """What an event carries beside its times; empty where that is no object."""
    args = event.get("args")
    return args if isinstance(args, dict) else {}


def time_ns(value: Any) -> int | None:
    """Microseconds as number or text in exact nanoseconds; None beyond int64."""
    try:
        number = Decimal(str(value)) * _US
        return int(number) if number.is_finite() and abs(number) < 2**61 else None
    except (InvalidOperation, ValueError, OverflowError):
        return None


def span_ns(event: dict[str, Any]) -> tuple[int, int] | None:
    """Start and end of a complete event."""
    start, length = time_ns(event.get("ts")), time_ns(event.get("dur", 0))
    return None if start is None or length is None or length < 0 else (start, start + length)
