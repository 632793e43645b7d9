"""Processes of this machine: takes a run and a function of one rank, gives what it gives of each.

A worker reads one rank and gives back small tables, so memory follows one rank a worker, not the sum.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TypeVar

from commscope.errors import CommScopeError
from commscope.trace import RankPart, Run, RunInfo

T = TypeVar("T")
_DIED = "memory may be short: try --jobs 1, or jobs=1"
_NEVER_STARTED = (
    "each worker begins by running the script that started it: call this under if __name__ == '__main__', "
    "or with jobs=1"
)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Compressed bytes: below, the work takes 3 s here, and each worker costs 0.7 s of CPU before it begins.
WORTH_A_PROCESS_BYTES = 32_000_000
PLAIN_TO_PACKED = 9  # JSON of a profiler is packed to about a ninth


def over_ranks(
    run: Run, work: Callable[[RankPart, RunInfo], T], *, jobs: int | None = None
) -> Generator[T, None, None]:
    """What `work`, a function of a module, gives of each rank; in `jobs` processes."""
    workers = _workers(run.parts) if jobs is None else min(jobs, len(run.parts))
    if workers <= 1:
        return (work(part, run.info) for part in run.parts)
    return _in_processes(run, work, workers)


def size_bytes(parts: Sequence[RankPart]) -> int:
    """What the files of these ranks hold together, compressed."""
    return sum(_size_bytes(path) for path in {part.path for part in parts})


def _in_processes(run: Run, work: Callable[[RankPart, RunInfo], T], workers: int) -> Generator[T, None, None]:
    """Fresh processes: a fork would copy whatever threads and handles the caller holds."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = _lifeline(context)
    with _signals_held():  # the tracker of semaphores that this starts must not end by SIGHUP either
        started = context.Event()
        given = (theirs, started)
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_live_by, initargs=given)
    try:
        with _signals_held():
            futures = [pool.submit(work, part, run.info) for part in run.parts]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        where = str(run.info.path)
        if started.is_set():
            raise CommScopeError("a worker process died", where=where, hint=_DIED) from error
        raise CommScopeError("no worker process could start", where=where, hint=_NEVER_STARTED) from error
    finally:
        ours.close()
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _lifeline(context: SpawnContext) -> tuple[Connection, Connection]:
    """A pipe nobody writes to: the kernel closes our end when this process is gone, however it went."""
    theirs, ours = context.Pipe(duplex=False)
    return ours, theirs


def _live_by(lifeline: Connection, started: Event) -> None:
    """Let this worker end, in the middle of a rank too, once the other end of its lifeline is closed."""
    started.set()
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    lifeline.poll(None)
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Workers start with these signals blocked: their parent hears a Ctrl-C and ends them, in silence."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _workers(parts: Sequence[RankPart]) -> int:
    """As many processes as there are ranks and cores, where the files are large enough to pay for them."""
    if size_bytes(parts) < WORTH_A_PROCESS_BYTES:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, len(parts))


def _size_bytes(path: Path) -> int:
    try:
        size = path.stat().st_size
    except OSError:
        return 0
    return size // PLAIN_TO_PACKED if path.suffix == ".json" else size
