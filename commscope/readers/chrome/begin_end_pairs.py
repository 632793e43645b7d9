"""Begin and end events, paired: takes batches, gives batches of the complete events they stand for.

On one thread the end closes what began last (Trace Event Format, duration events). Order in the file means
nothing but between equal times.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from commscope.readers.chrome.event import normal
from commscope.readers.chrome.split import Batch
from commscope.readers.files.values import NOT_JSON, json_loose

BEGIN, END = "B", "E"
_AT_ONCE = 10_000
_MOST = 2_000_000  # begin and end events kept; more are left out and counted
_EXACT = msgspec.json.Decoder(float_hook=Decimal)


class Halves:
    """Gathers begin and end events; `batches` gives what they make, once."""

    def __init__(self) -> None:
        self._kept: list[tuple[Any, Any, Decimal, int, bytes]] = []  # process, thread, time, order, text
        self.left_out = 0

    def add(self, phase: str, place: tuple[Any, Any], raw: Any) -> None:
        """Takes one event: its phase, process and thread, and text."""
        value = _decoded(bytes(raw))
        time = _time(value.get("ts"))
        if time is None or len(self._kept) >= _MOST:
            self.left_out += 1
            return
        text = bytes(raw) if phase == BEGIN else b""
        self._kept.append((*place, time, len(self._kept), text))

    def batches(self) -> Iterator[Batch]:
        """Complete events; what has no other half is counted in `left_out`."""
        order = sorted(self._kept, key=lambda half: half[2:4])
        self._kept = []
        open_at: dict[tuple[Any, Any], list[tuple[Decimal, bytes]]] = {}
        whole: list[dict[str, Any]] = []
        for process, thread, time, _, text in order:
            stack = open_at.setdefault((process, thread), [])
            if text:
                stack.append((time, text))
            elif stack:
                began, begin = stack.pop()
                whole.append({**_decoded(begin), "ph": "X", "ts": str(began), "dur": str(time - began)})
            else:
                self.left_out += 1
            if len(whole) >= _AT_ONCE:
                yield Batch(*normal(whole))
                whole = []
        self.left_out += sum(len(stack) for stack in open_at.values())
        if whole:
            yield Batch(*normal(whole))


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        value = _EXACT.decode(raw)
    except NOT_JSON:
        value = json_loose(raw)
    return value if isinstance(value, dict) else {}


def _time(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        time = Decimal(str(value))
    except ArithmeticError:
        return None
    return time if time.is_finite() and abs(time.adjusted()) < 30 else None
