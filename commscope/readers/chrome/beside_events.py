"""What stands beside complete events.

Takes metadata and instant events, gives names of threads and allocator records.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from commscope.readers.chrome.begin_end_pairs import BEGIN, END, Halves
from commscope.readers.chrome.event import RAW_EVENTS, Event
from commscope.readers.chrome.split import Batch
from commscope.readers.chrome.timestamps import LIMIT_NS, to_ns
from commscope.readers.files.values import NOT_JSON, as_int, json_loose
from commscope.schema import NO_VALUE

_UNTYPED = msgspec.json.Decoder()
MEMORY = "[memory]"
ASYNCHRONOUS = frozenset({"b", "e", "n"})


def args_of(raw: Any) -> dict[str, Any]:
    """All arguments of one event, from its text."""
    try:
        value = _UNTYPED.decode(raw)
    except NOT_JSON:
        value = json_loose(bytes(raw))
    args = value.get("args") if isinstance(value, dict) else None
    return args if isinstance(args, dict) else {}


def raws_of(batch: Batch) -> list[Any]:
    """The text of each event of a batch."""
    return RAW_EVENTS.decode(b"[" + batch.text + b"]")


class Told:
    """Gathers batches; one use."""

    def __init__(self) -> None:
        self.thread_names: dict[tuple[Any, Any], str] = {}
        self.memory: list[tuple[int, int, int]] = []  # time before the base is added, device, total bytes
        self.asynchronous = 0
        self.halves = Halves()

    def add(self, batch: Batch, phases: list[str]) -> None:
        """Takes the events of a batch that are not complete events."""
        wanted, halves = [], []
        for place, phase in enumerate(phases):
            if phase == "M" or (phase == "i" and batch.events[place].name == MEMORY):
                wanted.append(place)
            elif phase in {BEGIN, END}:
                halves.append(place)
            elif phase in ASYNCHRONOUS:
                self.asynchronous += 1
        if not wanted and not halves:
            return
        raws = raws_of(batch)
        for place in wanted:
            self._take(batch.events[place], args_of(raws[place]))
        for place in halves:
            event = batch.events[place]
            self.halves.add(phases[place], (event.pid, event.tid), raws[place])

    def _take(self, event: Event, args: dict[str, Any]) -> None:
        name = args.get("name")
        if event.name == "thread_name" and isinstance(name, str):
            self.thread_names[event.pid, event.tid] = name.strip()
        elif event.name == MEMORY and event.ts is not None and abs(event.ts) < LIMIT_NS / 1000:
            total = as_int(args.get("Total Allocated"))
            on_host = as_int(args.get("Device Type")) == 0
            device = NO_VALUE if on_host else as_int(args.get("Device Id"))
            if total is not None and device is not None:
                self.memory.append((int(to_ns(np.array([event.ts]))[0]), device, total))
