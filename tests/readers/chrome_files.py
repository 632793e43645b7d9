"""Chrome JSON by hand: takes events, gives text, files and the trace read from them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from commscope.readers import open_run, read_rank
from commscope.trace import RankTrace


def op(
    name: str, ts: Any, dur: Any, *, cat: str = "cpu_op", pid: Any = 7, tid: Any = 7, **args: Any
) -> dict[str, Any]:
    """One complete event on the host."""
    spoken = {key.replace("_", " "): value for key, value in args.items()}
    return {"ph": "X", "cat": cat, "name": name, "pid": pid, "tid": tid, "ts": ts, "dur": dur, "args": spoken}


def kernel(
    name: str, ts: Any, dur: Any, *, stream: int = 7, cat: str = "kernel", **args: Any
) -> dict[str, Any]:
    """One complete event on device 0."""
    return op(name, ts, dur, cat=cat, pid=0, tid=stream, device=0, stream=stream, **args)


def text_of(events: list[dict[str, Any]], *, rank: int | None = 0, **top: Any) -> bytes:
    """A whole trace."""
    info = {} if rank is None else {"distributedInfo": {"backend": "nccl", "rank": rank, "world_size": 2}}
    return json.dumps({"schemaVersion": 1, **info, "traceEvents": events, **top}).encode()


def write(folder: Path, text: bytes, name: str = "rank0.json") -> Path:
    """A file of this text, compressed where its name says so."""
    path = folder / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def read_path(path: Path) -> RankTrace:
    """The only rank at a path."""
    run = open_run(path)
    (part,) = run.parts
    return read_rank(part, run.info)


def read(folder: Path, text: bytes, name: str = "rank0.json") -> RankTrace:
    """The trace read from a file of this text."""
    return read_path(write(folder, text, name))


def names(trace: RankTrace) -> list[str]:
    """Names of all events in order."""
    return [trace.events.name(row) for row in range(len(trace.events))]


def codes(trace: RankTrace) -> list[str]:
    """Codes of the gaps of a trace."""
    return [gap.code for gap in trace.gaps]
