"""Cells of a text twin: a key that names its unit, and a value -> ready text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from commscope.units import (
    ABSENT,
    format_bandwidth,
    format_bytes,
    format_count,
    format_percent,
    format_time,
)

Row = dict[str, Any]

_FORMATS = {
    "_ns": format_time,
    "_bytes": format_bytes,
    "_gbps": format_bandwidth,
    "_ratio": format_percent,
}


def heading(key: str) -> str:
    """The column heading of a key: `exposed_wait_ns` is `exposed wait`."""
    for suffix in _FORMATS:
        if key.endswith(suffix):
            return _heading_of_size(key, suffix)
    return key.replace("_", " ")


def cell(key: str, value: object) -> str:
    """The text of a value, in the unit its key names."""
    if value is None or value != value:  # NaN is absent too
        return ABSENT
    for suffix, write in _FORMATS.items():
        if key.endswith(suffix) and isinstance(value, int | float):
            return write(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return format_count(value)
    return str(value)


def columns(rows: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """Keys of all rows in the order they first appear."""
    return tuple(dict.fromkeys(key for row in rows for key in row))


def _heading_of_size(key: str, suffix: str) -> str:
    words = key.removesuffix(suffix).replace("_", " ")
    return f"{words} bytes" if suffix == "_bytes" else words
