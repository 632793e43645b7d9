"""Any script or module under the profiler, unmodified: steps end where its optimizer steps, or by the clock.

The script runs as `__main__` in this process with its own arguments; nothing of its numerics is touched.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from commscope.record.handover.request import RecordRequest
from commscope.record.rank.program import Program
from commscope.record.rank.session import Rank

_TURN_OF_OTHERS_S = 0.2


def run_script(request: RecordRequest, rank: Rank) -> None:
    """Run the script to its end, profile the steps of the plan, leave the facts."""
    if torch.cuda.is_available():
        rank = Rank(rank.rank, rank.world_size, f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    os.environ["COMMSCOPE_RECORDING"] = str(request.output)
    program = Program(request, rank)
    complete = False
    world: object = None  # what holds the script's own objects
    try:
        with program.session.open(), step_borders(request, program), script_environment(request.script):
            world = run_as_main(request.script)
        complete = True
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise
        world, complete = ended, True  # a program may say that it ends well
    finally:
        with contextlib.suppress(*(() if complete else (OSError,))):  # what ended the script is what is told
            program.leave_facts(complete=complete)
    program.require_trace()
    # The last holder of a process group may be DDP's reducer, which joins gloo's thread and holds the
    # interpreter meanwhile; that thread, if it has a finished work left to drop, waits for the interpreter.
    time.sleep(_TURN_OF_OTHERS_S)
    del world


def run_as_main(script: Sequence[str]) -> dict[str, Any]:
    """`python script.py args` or `python -m module args`, in this process; the globals it leaves."""
    if script[0] == "-m":
        return runpy.run_module(script[1], run_name="__main__", alter_sys=True)
    return runpy.run_path(script[0], run_name="__main__")


@contextlib.contextmanager
def script_environment(script: Sequence[str]) -> Iterator[None]:
    """sys.argv and sys.path as the interpreter would have set them."""
    saved = sys.argv, list(sys.path)
    if script[0] == "-m":
        sys.argv = [script[1], *script[2:]]
        sys.path.insert(0, str(Path.cwd()))
    else:
        sys.argv = list(script)
        sys.path.insert(0, str(Path(script[0]).resolve().parent))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = saved[0], saved[1]


@contextlib.contextmanager
def step_borders(request: RecordRequest, program: Program) -> Iterator[None]:
    """Tell the program every border."""
    if request.steps_by == "time":
        with _borders_by_time(request, program):
            yield
        return
    leader = Leader()

    def after_step(optimizer: Any, _args: Any, _kwargs: Any) -> None:
        if leader.ends_step(id(optimizer)):
            _end_step(request, program)

    handle = register_optimizer_step_post_hook(after_step)
    try:
        yield
    finally:
        handle.remove()


def _end_step(request: RecordRequest, program: Program) -> None:
    """A border; the last one of use ends a script that is to stop, as its own sys.exit(0) would."""
    program.end_step()
    if request.stop and program.session.step >= program.session.plan.last:
        raise SystemExit(0)


class Leader:
    """Tells which of several optimizers ends a step: the last one of the first round.

    Nobody knows how many there are before the first one comes again. Until then the first one ends the step,
    so that a program with one optimizer has as many steps as that one makes.
    """

    def __init__(self) -> None:
        self._round: list[int] = []
        self._leader: int | None = None

    def ends_step(self, optimizer: int) -> bool:
        """Whether a step ends with this optimizer's step."""
        if self._leader is None and optimizer in self._round:
            self._leader = self._round[-1]
        if self._leader is not None:
            return optimizer == self._leader
        self._round.append(optimizer)
        return len(self._round) == 1


@contextlib.contextmanager
def _borders_by_time(request: RecordRequest, program: Program) -> Iterator[None]:
    """A border every second, on the main thread as the profiler wants it."""

    def tick(_number: int, _frame: FrameType | None) -> None:
        _end_step(request, program)

    previous = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)
