"""A trace is written while the program goes on: by a child of this process, or a thread where there is a GPU.

The profiler's exporter keeps the interpreter to itself, so a thread holds the program up until the packing,
and every other rank in its next collective; but a child must not touch CUDA. Each gives what waits for it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

from commscope.errors import BackendProblem
from commscope.record.handover.liveness import cpu_seconds, die_with_parent

Wait = Callable[[], object]

STUCK_S = 20.0  # a child that uses no CPU for so long writes nothing
_WHOLE = b"whole"
_LONGEST = 4096  # of an answer; so much goes through a pipe in one piece
_FIRST_OTHER = 3  # after standard input, output and error


def save_in_thread(write: Callable[[], object]) -> Wait:
    """Have a thread write; what it raises is raised by the waiting."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="commscope-save")
    saved = executor.submit(write)
    executor.shutdown(wait=False)
    return saved.result


def save_in_child(write: Callable[[], object]) -> Wait:
    """Have a child write; the waiting raises BackendProblem where it could not."""
    told, tell = os.pipe()
    parent = os.getpid()
    with warnings.catch_warnings():
        # Python warns of forks beside threads: the child runs none of theirs, and ends without cleaning up.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _write_and_leave(write, tell, parent)
    os.close(tell)
    return functools.partial(_wait_for, child, told, write)


def _wait_for(child: int, told: int, write: Callable[[], object]) -> None:
    if not _answers(child, told):
        # it may stand at a lock that a thread of ours held when it came to be
        os.kill(child, signal.SIGKILL)
        os.close(told)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
        write()
        return
    answer = os.read(told, _LONGEST)
    os.close(told)
    with contextlib.suppress(ChildProcessError):  # the program may have waited for all its children
        os.waitpid(child, 0)
    if answer == _WHOLE:
        return
    what, _, rest = answer.decode(errors="replace").partition("\n")
    where, _, hint = rest.partition("\n")
    raise BackendProblem(what or "the process that wrote the trace was ended", where=where, hint=hint)


def _answers(child: int, told: int) -> bool:
    """Wait for a child as long as it does anything; whether it has said or ended something."""
    used, since = -1.0, time.monotonic()
    while not select.select([told], [], [], STUCK_S / 10)[0]:
        now = cpu_seconds((child,)).get(child, 0.0)
        if now != used:
            used, since = now, time.monotonic()
        elif time.monotonic() - since > STUCK_S:
            return False
    return True


def _write_and_leave(write: Callable[[], object], tell: int, parent: int) -> NoReturn:
    try:
        die_with_parent(parent)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        # the sockets between the ranks are the parent's alone: peers must see when it is gone
        os.closerange(_FIRST_OTHER, tell)
        os.closerange(tell + 1, os.sysconf("SC_OPEN_MAX"))
        write()
        os.write(tell, _WHOLE)
    except BackendProblem as problem:
        os.write(tell, f"{problem.what}\n{problem.where}\n{problem.hint}".encode())
    except BaseException as error:  # noqa: BLE001 - whatever it was is told to the parent
        os.write(tell, f"the trace could not be written: {error}".encode())
    finally:
        os._exit(0)
