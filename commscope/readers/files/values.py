"""Tolerant conversion of single values from traces.

Takes whatever JSON held, gives a plain value or None, never raises.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_INTEGER = re.compile(r"\s*[+-]?\d{1,40}\s*\Z")
_RANK_RANGE = re.compile(r"(-?\d+)")
INT64_MAX = 2**63 - 1
# What decoding text that may be anything can raise; invalid UTF-8 comes as a ValueError.
NOT_JSON = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)


def as_int(value: Any) -> int | None:
    """An integer from an integer, a whole float or digits; None beyond int64 and for all else."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        if not _INTEGER.match(value):
            return None
        value = int(value)
    elif isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    if not isinstance(value, int) or not -INT64_MAX <= value <= INT64_MAX:
        return None
    return value


def as_count(value: Any) -> int | None:
    """A non-negative integer, or None."""
    number = as_int(value)
    return number if number is not None and number >= 0 else None


def as_text(value: Any) -> str | None:
    """A non-empty string, numbers written out; None on anything else."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def as_flag(value: Any) -> bool | None:
    """A truth value from a bool, 0/1 or true/false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
    return None


def as_ints(value: Any) -> tuple[int, ...] | None:
    """A list of integers, or text `[0, 1, 2]`; None when cut with `...` or not understood."""
    if isinstance(value, str):
        if "..." in value or not value.strip().startswith("["):
            return None
        return tuple(int(text) for text in _RANK_RANGE.findall(value) if len(text) < 19)
    if not isinstance(value, list | tuple):
        return None
    numbers = [as_int(item) for item in value]
    return None if any(number is None for number in numbers) else tuple(n for n in numbers if n is not None)


def json_loose(text: bytes) -> Any:
    """JSON with NaN, invalid UTF-8 and control characters forgiven; None where it is none even so."""
    try:
        return json.loads(text.decode("utf-8", errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return None
