"""Times: takes microseconds as written, gives whole nanoseconds, exact where the text was."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from commscope.readers.chrome.event import RAW_EVENTS, STAMPS, Event, Stamp
from commscope.readers.files.values import NOT_JSON
from commscope.trace import Int64, Mask

# Below this many microseconds (101 days) float64 is off by less than half a nanosecond.
EXACT_BELOW_US = 2.0**43
# Base (under 2^62), start and length together stay inside int64.
LIMIT_NS = 2**61
_LIMIT_US = LIMIT_NS / 1000
_LONGEST_US = 2**60 / 1000
_FRACTION = re.compile(rb'"ts"\s*:\s*-?\d+[.eE]')


@dataclass(frozen=True, slots=True)
class Times:
    """Start and length of events; `fine` is false where there is no usable start."""

    start_ns: Int64
    length_ns: Int64
    fine: Mask
    negative: int
    missing: int


def times_of(rows: list[Event], places: Int64, text: bytes) -> Times:
    """Times of decoded events; `places` are their positions in `text`."""
    start_us = np.array([row.ts for row in rows], dtype=np.float64)
    length_us = np.array([row.dur for row in rows], dtype=np.float64)
    missing = np.isnan(length_us)
    length_us[missing] = 0
    fine: Mask = (np.abs(start_us) < _LIMIT_US) & (np.abs(length_us) < _LONGEST_US)
    if not fine.all():
        start_us[~fine] = 0
        length_us[~fine] = 0
    start_ns, length_ns = to_ns(start_us), to_ns(length_us)
    large = np.abs(start_us) >= EXACT_BELOW_US
    # A fraction may have rounded to a whole number: the text tells whether there was one.
    if large.any() and (_FRACTION.search(text) or (np.abs(start_us) >= 2.0**53).any()):
        _make_exact(start_ns, large & fine, places, text)
    negative = length_ns < 0
    length_ns[negative] = 0
    return Times(start_ns, length_ns, fine, int((negative & fine).sum()), int((missing & fine).sum()))


def to_ns(time_us: npt.NDArray[np.float64]) -> Int64:
    """Exact for values of up to three decimals below 2^43 us: whole and fraction apart."""
    whole = np.floor(time_us)
    time_ns: Int64 = whole.astype(np.int64) * 1000 + np.rint((time_us - whole) * 1000).astype(np.int64)
    return time_ns


def _make_exact(start_ns: Int64, inexact: Mask, places: Int64, text: bytes) -> None:
    if not inexact.any():
        return
    try:
        stamps = STAMPS.decode(b"[" + text + b"]")
    except NOT_JSON:
        stamps = [_stamp(raw) for raw in RAW_EVENTS.decode(b"[" + text + b"]")]
    for row in np.flatnonzero(inexact).tolist():
        start_ns[row] = _exact_ns(stamps[int(places[row])].ts, int(start_ns[row]))


def _stamp(raw: Any) -> Stamp:
    """The times of one event; a decimal takes fewer numbers than a float."""
    try:
        return msgspec.json.decode(raw, type=Stamp)
    except NOT_JSON:
        return Stamp()


def _exact_ns(said: Any, fallback_ns: int) -> int:
    try:
        exact_ns = round(said * 1000)
    except (ArithmeticError, TypeError, ValueError):
        return fallback_ns
    return exact_ns if abs(exact_ns) < LIMIT_NS else fallback_ns
