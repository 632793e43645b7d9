"""Marks and a profiler for programs that know of CommScope: `annotate` and `profile`.

Both may stay in production code: outside a recording `annotate` does next to nothing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from commscope.errors import UsageProblem
from commscope.record.marks.ranges import Timelines, open_timelines
from commscope.schema import Phase

if TYPE_CHECKING:
    from commscope.record.rank import Steps

_PHASES = frozenset(phase.value for phase in Phase)
_NOTHING: AbstractContextManager[None] = contextlib.nullcontext()
_is_profiled: Callable[[], bool] = torch._C._autograd._profiler_enabled
_HAS_NVTX_TOOL = "NVTX_INJECTION64_PATH" in os.environ


def annotate(
    phase: str | None = None, layer: int | None = None, microbatch: int | None = None
) -> AbstractContextManager[Any]:
    """Mark what runs inside as a phase, a layer or a microbatch, for the profiler and as NVTX.

    Give one of the three; phase is forward, backward, recompute, optimizer or other.
    """
    if not (_is_profiled() or _HAS_NVTX_TOOL):
        return _NOTHING
    timelines = _timelines()
    if layer is not None:
        return timelines.layer(layer)
    if microbatch is not None:
        return timelines.microbatch(microbatch)
    if phase not in _PHASES:
        raise UsageProblem(f"annotate(phase={phase!r})", hint=f"one of {', '.join(sorted(_PHASES))}")
    return timelines.phase(str(phase))


@functools.cache
def _timelines() -> Timelines:
    return open_timelines()


@contextlib.contextmanager
def profile(output: str | Path, *, steps: int = 3, warmup: int = 2, force: bool = False) -> Iterator[Steps]:
    """Record the steps made inside; call `end_step()` on what this gives after each of them.

    Works in every rank under any launcher that sets RANK and WORLD_SIZE, and alone. Rank 0 writes run.json
    last. Does nothing where `commscope record` already profiles the program.
    """
    from commscope.record.rank import NoSteps, outer_request, outer_session

    if _is_profiled() or "COMMSCOPE_RECORDING" in os.environ:
        yield NoSteps()
        return
    name = Path(sys.argv[0]).name or "python"
    request = outer_request(Path(output), (name,), steps=steps, warmup=warmup, force=force)
    with outer_session(request) as session:
        yield session
