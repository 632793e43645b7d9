"""Record steps of a job that runs already and listens: a RecordRequest in, a run folder or one error out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from commscope.errors import CommScopeError, RecordFailed
from commscope.record.handover.asking import ask, find_listening, listening_ranks, withdraw
from commscope.record.handover.facts import Beat, read_all_errors, read_beats
from commscope.record.handover.output import beside_the_old, prepare_output
from commscope.record.handover.request import RecordRequest

POLL_S = 0.1


def attach(job: str, request: RecordRequest, on_progress: Callable[[Beat], None] | None = None) -> Path:
    """Ask a job, by its folder or one of its processes, for a recording; its folder once it is whole.

    Raises UsageProblem where nobody listens, RecordFailed where the job ends, stands still or refuses.
    """
    folder = find_listening(job)
    request = replace(request, output=request.output.absolute(), nproc=listening_ranks(folder))
    request = beside_the_old(request, is_alone=True)
    prepare_output(request)
    try:
        ask(folder, request)
        _wait(folder, request, on_progress)
    except BaseException:
        withdraw(folder)
        if not any(request.output.glob("rank*")):
            shutil.rmtree(request.output, ignore_errors=True)
        raise
    return request.place


def _wait(folder: Path, request: RecordRequest, on_progress: Callable[[Beat], None] | None) -> None:
    """Until the last rank has dropped the work folder; none may stand still for longer than a timeout."""
    seen: dict[int, Beat] = {}
    last = time.monotonic()
    while request.work_folder.exists():
        for error in read_all_errors(request.work_folder):
            raise RecordFailed(f"rank {error.rank}: {error.message}", where=str(folder), hint=error.hint)
        for beat in read_beats(request.work_folder):
            if seen.get(beat.rank) != beat:
                seen[beat.rank] = beat
                last = time.monotonic()
                if on_progress is not None:
                    on_progress(beat)
        if time.monotonic() - last > request.timeout_s:
            hint = "a job that makes no steps cannot be recorded; --timeout gives it longer"
            raise RecordFailed(
                f"no step finished within {request.timeout_s:g} s", where=str(folder), hint=hint
            )
        time.sleep(POLL_S)
        _require_job(folder, request)


def _require_job(folder: Path, request: RecordRequest) -> None:
    try:
        listening_ranks(folder)
    except CommScopeError as error:
        time.sleep(POLL_S)
        if request.work_folder.exists():
            raise RecordFailed(
                "the job ended before its steps were recorded", where=str(folder), hint="--steps: fewer"
            ) from error
