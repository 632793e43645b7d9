"""A program that listens: told where its steps end, it records some when a command asks (`record --attach`).

All ranks begin at the same step: rank 0 sees what is asked at one of its borders, and names a step that no
rank has reached. Until then a border costs one look at a file. Nothing here ever ends the program.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from commscope.errors import CommScopeError, RecordFailed
from commscope.record.handover.asking import Go, go_time_ns, read_go, take_place_of, taken_ask, tell_go
from commscope.record.handover.facts import RankError, error_path
from commscope.record.handover.output import finish_as_far
from commscope.record.handover.request import RecordRequest, encode
from commscope.record.memory import NoMemory
from commscope.record.rank import NoSteps, Program, Rank, Steps, launch_name, this_rank
from commscope.whole import write_whole

MARGIN = 3  # steps between an answer and its first step: ranks of one job are hardly two apart


@contextlib.contextmanager
def listen(folder: str | Path) -> Iterator[Steps]:
    """Listen for `commscope record --attach FOLDER`; call `end_step()` on what this gives after every step.

    Enter it in every rank, after its process group is there. Does nothing under `commscope record`.
    """
    if "COMMSCOPE_RECORDING" in os.environ:
        yield NoSteps()
        return
    rank = this_rank()
    with take_place_of(Path(folder).absolute(), rank.rank, rank.world_size):
        listener = Listener(Path(folder).absolute(), rank)
        try:
            yield listener
        finally:
            listener.close()


class Listener:
    """Steps of a program that may be recorded at any time."""

    def __init__(self, folder: Path, rank: Rank) -> None:
        self._folder = folder
        self._rank = rank
        self._launch = launch_name()
        self._step = 0
        self._seen_ns = go_time_ns(folder)
        self._go: Go | None = None
        self._capture: Capture | None = None

    def end_step(self, loss: float | None = None) -> None:
        """The border after a step."""
        self._step += 1
        try:
            self._border(loss)
        except Exception as error:  # noqa: BLE001 - the program goes on, whatever became of its recording
            self._give_up(error)

    def close(self) -> None:
        """The program makes no more steps."""
        capture, self._capture = self._capture, None
        if capture is not None:
            try:
                capture.close()
            except Exception as error:  # noqa: BLE001
                self._give_up(error)

    def _border(self, loss: float | None) -> None:
        if self._capture is not None:
            if self._capture.end_step(loss):
                self.close()
            return
        if self._go is None:
            self._go = self._answer() if self._rank.rank == 0 else self._told()
        if self._go is not None and self._step >= self._go.first_step:
            late = self._step - self._go.first_step
            if late:
                raise RecordFailed(
                    f"rank {self._rank.rank} came {late} steps too late to be recorded",
                    hint="ranks that share no file system, or take no steps together, cannot be recorded so",
                )
            self._capture = Capture(self._go.request, self._rank)
            self._go = None

    def _answer(self) -> Go | None:
        request = taken_ask(self._folder)
        if request is None:
            return None
        go = Go(self._launch, self._step + MARGIN, request)
        tell_go(self._folder, go)
        return go

    def _told(self) -> Go | None:
        time_ns = go_time_ns(self._folder)
        if time_ns == self._seen_ns:
            return None
        self._seen_ns = time_ns
        go = read_go(self._folder)
        return go if go is not None and go.launch == self._launch else None

    def _give_up(self, error: Exception) -> None:
        """Tell the command, and stderr where even that fails."""
        request = self._capture.request if self._capture else self._go.request if self._go else None
        self._capture = self._go = None
        told = (
            error if isinstance(error, CommScopeError) else RecordFailed(f"{type(error).__name__}: {error}")
        )
        row = RankError(
            self._rank.rank, type(error).__name__, told.what, "", False, time.time_ns(), 1, told.hint
        )
        try:
            if request is not None:
                write_whole(error_path(request.work_folder, self._rank.rank), encode(row))
        except OSError:
            request = None
        if request is None:
            sys.stderr.write(f"{told}\n")


class Capture:
    """One recording in a program that goes on: one step to warm up, the profiled ones, a few plain ones."""

    def __init__(self, request: RecordRequest, rank: Rank) -> None:
        if torch._C._autograd._profiler_enabled():
            raise RecordFailed("another profiler is at work in this job", hint="ask again when it has ended")
        self.request = request
        self._program = Program(request, rank, NoMemory(rank.rank))
        self._open = contextlib.ExitStack()
        self._open.enter_context(self._program.session.open())

    def end_step(self, loss: float | None) -> bool:
        """A border; whether it was the last one of use."""
        self._program.end_step(loss)
        session = self._program.session
        return session.step >= session.plan.last

    def close(self) -> None:
        """Leave trace and facts, whole or as far as they go."""
        self._open.close()
        self._program.leave_facts(complete=True)
        finish_as_far(self.request)
