"""A profiler's events -> rankN.json.gz in the run folder, whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from isal import igzip

from commscope.errors import BackendProblem
from commscope.record.handover.request import RecordRequest


def save_trace(profiler: Any, request: RecordRequest, rank: int, unfinished: int | None = None) -> Path:
    """Write the trace of one rank; a step that was cut short is in it, but not marked as a step.

    Raises BackendProblem where the trace could not be written whole.
    """
    raw = request.work_folder / f"rank{rank}.trace.json"
    packed = request.work_folder / f"rank{rank}.trace.json.gz"
    target = request.output / f"rank{rank}.json.gz"
    try:
        profiler.export_chrome_trace(str(raw))
        _require_whole(raw, request.output)
        with raw.open("rb") as source, igzip.open(packed, "wb", compresslevel=2) as sink:  # type: ignore[no-untyped-call]
            if unfinished is None:
                shutil.copyfileobj(source, sink, 1 << 20)
            else:
                sink.writelines(_without_step(line, unfinished) for line in source)
        packed.replace(target)
    except OSError as error:
        raise BackendProblem(
            f"the trace could not be written: {error.strerror}", where=str(request.output), hint=_HINT
        ) from error
    finally:
        for left in (raw, raw.with_name(f"{raw.name}.tmp"), packed):
            _drop(left)
    return target


def _drop(path: Path) -> None:
    """Remove a file and give its space back at once, though the exporter may still hold it open."""
    if path.exists():
        os.truncate(path, 0)
        path.unlink()


def _without_step(line: bytes, step: int) -> bytes:
    return line.replace(b'"ProfilerStep#%d"' % step, b'"commscope:unfinished:%d"' % step)


_HINT = "is the disk full? free some space, or choose another --output"


def _require_whole(raw: Path, output: Path) -> None:
    """The exporter does not tell when the disk is full: a whole trace ends with a brace."""
    tail = b""
    if raw.exists() and raw.stat().st_size > 1:
        with raw.open("rb") as file:
            file.seek(-min(64, raw.stat().st_size), os.SEEK_END)
            tail = file.read().rstrip()
    if not tail.endswith(b"}"):
        raise BackendProblem("the trace could not be written whole", where=str(output), hint=_HINT)
