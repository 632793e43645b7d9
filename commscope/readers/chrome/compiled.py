"""The compiled scanner in place of msgspec: takes text of events, gives `Columns` what it found in it.

It takes only text that is as expected to the last byte; what it leaves, `Columns.add` reads.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import msgspec
import numpy as np

from commscope.readers.chrome.columns import Chunk, Columns
from commscope.readers.chrome.event import Args, Event, decode_typed
from commscope.readers.chrome.split import Batch
from commscope.schema import EventKind

_DTYPES = (np.int64, np.int64, np.uint8, np.int32, np.int32, np.int32, *[np.int64] * 5)


class Compiled:
    """One file's scanner over one file's columns."""

    def __init__(self, core: ModuleType, columns: Columns) -> None:
        self._columns = columns
        self._scanner = core.Scanner(self._name_of, self._place_of, self._comm_of, int(EventKind.SYNC))
        self._cats: list[str] = []  # of each place, in the order they were asked for

    def take(self, text: bytes | memoryview) -> bool:
        """Takes a text of events whole, or not at all."""
        beside = self._scanner.scan(text)
        if beside:
            batch = Batch(joined := b",".join(beside), decode_typed(joined))
            self._columns.told.add(batch, [event.ph for event in batch.events])
        return beside is not None

    def flush(self) -> None:
        """Hands what was taken to the columns; before they are given a batch, and at the end."""
        rows, buffers, others, syncs, negative, missing = self._scanner.take()
        counts, other = self._columns.counts, self._columns.other
        counts["negative_duration"] += negative
        counts["no_duration"] += missing
        for cat, count in zip(self._cats, others, strict=True):
            if count and cat != "Trace":
                other[cat] = other.get(cat, 0) + count
        if rows:
            start_ns, length_ns, kind, name_id, lane_id, comm_id, *numbers = (
                np.frombuffer(part, dtype) for part, dtype in zip(buffers, _DTYPES, strict=True)
            )
            chunk = Chunk(start_ns, length_ns, kind, name_id, lane_id, comm_id, tuple(numbers))
            self._columns.append(chunk, syncs)

    def _name_of(self, raw: bytes) -> tuple[int, bool]:
        return self._columns.name_of(_text(raw))

    def _place_of(self, *raws: bytes | None) -> tuple[int, int]:
        pid, tid, cat, device, stream = [None if raw is None else msgspec.json.decode(raw) for raw in raws]
        self._cats.append(cat or "")
        args = Args(device=device, stream=stream)
        return self._columns.place_of(Event(pid=pid, tid=tid, cat=cat, args=args))

    def _comm_of(self, name: bytes | None, args: bytes | None) -> int:
        said: dict[str, Any] = msgspec.json.decode(args) if args else {}
        return self._columns.comm_of(_text(name), said)


def _text(raw: bytes | None) -> str:
    return msgspec.json.decode(raw, type=str) if raw else ""
