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
from pathlib import Path
from typing import TypeVar

from commscope.errors import CommScopeError
from commscope.trace import RankPart, Run, RunInfo

T = TypeVar("T")
_WORKERS_HINT = (
    "memory may be short: try --jobs 1, or jobs=1; a script that calls this does so under "
    "if __name__ == '__main__'"
)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WORTH_A_PROCESS_BYTES = 4_000_000  # below this sum, starting processes takes longer than the work


def over_ranks(
    run: Run, work: Callable[[RankPart, RunInfo], T], *, jobs: int | None = None
) -> Generator[T, None, None]:
    """What `work`, a function of a module, gives of each rank; in `jobs` processes."""
    workers = _workers(run.parts) if jobs is None else min(jobs, len(run.parts))
    if workers <= 1:
        return (work(part, run.info) for part in run.parts)
    return _in_processes(run, work, workers)


def size_bytes(parts: Sequence[RankPart]) -> int:
    """What the files of these ranks hold together."""
    return sum(_size_bytes(path) for path in {part.path for part in parts})


def _in_processes(run: Run, work: Callable[[RankPart, RunInfo], T], workers: int) -> Generator[T, None, None]:
    """Fresh processes: a fork would copy whatever threads and handles the caller holds."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = _lifeline(context)
    with _signals_held():  # the tracker of semaphores that this starts must not end by SIGHUP either
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_live_by, initargs=(theirs,))
    try:
        with _signals_held():
            futures = [pool.submit(work, part, run.info) for part in run.parts]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise CommScopeError("a worker process died", where=str(run.info.path), hint=_WORKERS_HINT) from error
    finally:
        ours.close()
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _lifeline(context: SpawnContext) -> tuple[Connection, Connection]:
    """A pipe nobody writes to: the kernel closes our end when this process is gone, however it went."""
    theirs, ours = context.Pipe(duplex=False)
    return ours, theirs


def _live_by(lifeline: Connection) -> None:
    """Let this worker end, in the middle of a rank too, once the other end of its lifeline is closed."""
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
        return path.stat().st_size
    except OSError:
        return 0
