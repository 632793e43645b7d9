"""A logarithmic axis in words: values -> one tick a decade, each with its unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil, floor, log2, log10
from typing import Any

from commscope.units import format_bytes

_MOST_TICKS = 8


def decades(values: Iterable[float], words: Callable[[float], str]) -> dict[str, Any]:
    """Settings of the axis for positive values; `words` says what a value is called, such as `10 us`."""
    logs = [log10(value) for value in values if value > 0]
    if not logs:
        return {"type": "log"}
    first, last = floor(min(logs)), max(ceil(max(logs)), floor(min(logs)) + 1)
    every = ceil((last - first + 1) / _MOST_TICKS)
    ticks = [10.0**power for power in range(first, last + 1, every)]
    return {"type": "log", "tickvals": ticks, "ticktext": [words(tick) for tick in ticks]}


def powers_of_two(sizes_bytes: Iterable[float]) -> dict[str, Any]:
    """The same for sizes in bytes, as `1 KiB`, `32 KiB`, `1 MiB`."""
    logs = [log2(size) for size in sizes_bytes if size > 0]
    if not logs:
        return {"type": "log"}
    first, last = floor(min(logs)), ceil(max(logs))
    every = max(1, ceil((last - first) / _MOST_TICKS))
    ticks = [2.0**power for power in range(first, last + 1, every)]
    return {"type": "log", "tickvals": ticks, "ticktext": [format_tick(tick, format_bytes) for tick in ticks]}


def format_tick(value: float, words: Callable[[float], str]) -> str:
    """A round value without the digits behind its point: `10.0 us` is `10 us`."""
    number, _, unit = words(value).partition(" ")
    return f"{float(number):g} {unit}"
