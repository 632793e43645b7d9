"""The decoder of Chrome JSON behind one function: blocks of bytes in, columns out.

The compiled core, where there is one, takes the stretches of text that are as expected; msgspec reads the
rest, and all where there is none. Both give the same `Decoded` for every file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from commscope.core import core
from commscope.readers.chrome.columns import Columns
from commscope.readers.chrome.compiled import Compiled
from commscope.readers.chrome.event import Event
from commscope.readers.chrome.split import Outcome, batches
from commscope.readers.files.values import as_int
from commscope.trace import Events, MemorySample, SyncFacts


@dataclass(frozen=True, slots=True)
class Decoded:
    """A trace as columns, the facts of its top level, and what was lost on the way."""

    is_trace: bool
    events: Events
    syncs: tuple[SyncFacts, ...]
    memory: tuple[MemorySample, ...]
    meta: dict[str, Any]
    counts: dict[str, int]
    other: dict[str, int]  # events of kinds that are not used, by category
    halves: int  # begin and end events without their other half, and asynchronous ones
    bad_meta: bool


def _nothing(_text: bytes | memoryview) -> bool:
    return False


def decode(blocks: Iterator[bytes], chosen: Callable[[Event], bool] | None = None) -> Decoded:
    """Decode a trace; in a file that fuses several ranks only the events chosen.

    Never raises on damaged text.
    """
    outcome, columns = Outcome(), Columns(chosen)
    native = core() if chosen is None else None
    compiled = None if native is None else Compiled(native, columns)
    for batch in batches(blocks, outcome, _nothing if compiled is None else compiled.take):
        if compiled is not None:
            compiled.flush()
        columns.add(batch)
    if compiled is not None:
        compiled.flush()
    for batch in columns.told.halves.batches():
        columns.add(batch)
    base_ns = as_int(outcome.meta.get("baseTimeNanoseconds"))
    events, syncs, memory = columns.finish(base_ns if base_ns is not None and 0 <= base_ns < 2**62 else 0)
    counts = {
        **columns.counts,
        "bad": columns.counts["bad"] + outcome.bad,
        "salvaged": outcome.salvaged,
        "truncated": int(outcome.truncated),
        "other": sum(columns.other.values()),
    }
    return Decoded(
        outcome.is_trace,
        events,
        syncs,
        memory,
        outcome.meta,
        counts,
        columns.other,
        columns.told.halves.left_out + columns.told.asynchronous,
        outcome.bad_meta,
    )
