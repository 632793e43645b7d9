"""Runs of any size for benchmarks: a real trace of one rank, repeated to many steps and over many ranks."""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

CHECKOUT = Path(__file__).resolve().parents[1]
TRACE = CHECKOUT.parent / "shared" / "traces" / "hta" / "nccl_data.json.gz"
ID_STEP = 10_000_000
Event = dict[str, Any]
VARIANTS = 8  # ranks that differ; more share their files
LATE_US = 200.0  # at most, by which a rank comes later in a step than another


def make_run(folder: Path, ranks: int, events: int, source: Path = TRACE) -> int:
    """A run of `ranks` files of about `events` events each, matched; gives the events of each."""
    folder.mkdir(parents=True)
    with gzip.open(source, "rb") as file:
        trace = msgspec.json.decode(file.read())
    trace["distributedInfo"] = {"backend": "nccl", "world_size": ranks}
    body = [event for event in trace.pop("traceEvents") if event.get("cat") != "Trace"]
    body = sorted((_in_world(event, ranks) for event in body), key=lambda event: event.get("ts", 0))[:events]
    copies = max(1, round(events / len(body)))
    for rank in range(min(VARIANTS, ranks)):
        _write(folder / _name(rank), trace, body, copies, random.Random(rank))
    for rank in range(VARIANTS, ranks):
        os.link(folder / _name(rank % VARIANTS), folder / _name(rank))
    return copies * len(body)


def _name(rank: int) -> str:
    return f"rank{rank}.json.gz"


def _in_world(event: Event, ranks: int) -> Event:
    args = event.get("args")
    if not args or "Process Group Ranks" not in args:
        return event
    told = {"Group size": ranks, "Process Group Ranks": str(list(range(ranks)))}
    return {**event, "args": {**args, **told}}


def _write(path: Path, trace: Event, body: list[Event], copies: int, chance: random.Random) -> None:
    timed = [event for event in body if "ts" in event]
    first = min(event["ts"] for event in timed)
    span = max(event["ts"] + event.get("dur", 0) for event in timed) - first + 1000 + LATE_US
    with gzip.open(path, "wb", compresslevel=3) as file:
        file.write(msgspec.json.encode(trace)[:-1] + b',\n"traceEvents": [\n')
        for copy in range(copies):
            late = chance.uniform(0, LATE_US)
            lines = [msgspec.json.encode(event) for event in _moved(body, copy, copy * span + late)]
            file.write((b",\n" if copy else b"") + b",\n".join(lines))
        file.write(b"\n]}\n")


def _moved(body: list[Event], copy: int, by_us: float) -> Iterator[Event]:
    """One copy of all events; steps and ids are counted on."""
    for event in body:
        moved = dict(event)
        if "ts" in event:
            moved["ts"] = round(event["ts"] + by_us, 3)
        if "id" in event:
            moved["id"] = event["id"] + copy * ID_STEP
        if str(event.get("name", "")).startswith("ProfilerStep#"):
            moved["name"] = f"ProfilerStep#{int(event['name'].rpartition('#')[2]) + 10 * copy}"
        args = event.get("args")
        if args:
            ids = {key: args[key] + copy * ID_STEP for key in ("correlation", "External id") if key in args}
            moved["args"] = {**args, **ids}
        yield moved
