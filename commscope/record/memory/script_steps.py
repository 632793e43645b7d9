"""Memory of a program that goes its own way: borders of its steps in, RankMemory of whole steps out.

Only steps in which nothing of ours runs are measured. `rss` is the resident peak of a step; on a GPU torch's
own peak is read and never reset, since the program may read it too; `tensors` (on the CPU) is measured in one
step after the profiled ones, under the allocator's records.
"""

from __future__ import annotations

import contextlib
from typing import Protocol

import torch

from commscope.record.handover.step_plan import Plan
from commscope.record.memory.allocator import AllocatorRecords
from commscope.record.memory.measure import reset_resident_peak, resident_peak
from commscope.trace import Gap, RankMemory


class Memory(Protocol):
    """What a program that goes its own way asks of a measure of memory."""

    def __call__(self, ended: int) -> None:
        """Step `ended` just ended."""

    def rows(self) -> tuple[RankMemory, ...]:
        """What was measured."""

    def gaps(self) -> tuple[Gap, ...]:
        """What was not, and why."""

    def abandon(self) -> None:
        """The program ends."""


class NoMemory:
    """Measures nothing, so that a capture of a running job costs it no step of its own."""

    def __init__(self, rank: int) -> None:
        self._rank = rank

    def __call__(self, ended: int) -> None:
        """Nothing to do."""

    def rows(self) -> tuple[RankMemory, ...]:
        """Nothing."""
        return ()

    def gaps(self) -> tuple[Gap, ...]:
        """Says so."""
        what = "memory was not measured: a capture of a running job leaves its other steps alone"
        return (Gap("no_memory", what, (self._rank,), serious=False),)

    def abandon(self) -> None:
        """Nothing to do."""


class StepMemory:
    """Told every border between steps; never ends the program, whatever happens inside."""

    def __init__(self, rank: int, device: str, plan: Plan) -> None:
        self._rank = rank
        self._device = device
        self._plan = plan
        self._records: AllocatorRecords | None = None
        self._peaks: dict[bool, int] = {}  # before the capture, after it
        self._tensors: RankMemory | None = None

    def __call__(self, ended: int) -> None:
        """Step `ended` just ended, the next one is about to begin."""
        with contextlib.suppress(Exception):
            self._close_records()
            if self._plan.is_plain(ended):
                after = ended >= self._plan.total
                self._peaks[after] = max(self._peaks.get(after, 0), self._read())
            if self._device == "cpu":
                self._prepare(ended + 1)

    def rows(self) -> tuple[RankMemory, ...]:
        """What was measured; steps before the capture count where there were any."""
        kind = "rss" if self._device == "cpu" else "cuda_allocator"
        peak = self._peaks.get(False, self._peaks.get(True))
        whole = () if peak is None else (RankMemory(self._rank, kind, peak),)
        return whole if self._tensors is None else (*whole, self._tensors)

    def gaps(self) -> tuple[Gap, ...]:
        """What could not be measured, and why."""
        kinds = {row.kind for row in self.rows()}
        wanted = {"rss", "tensors"} if self._device == "cpu" else {"cuda_allocator"}
        missing = " and ".join(sorted(wanted - kinds))
        if not missing:
            return ()
        why = "the program made no step of its own before or after the profiled ones"
        if "tensors" in missing:
            why = f"the program ended before step {self._plan.allocator_step + 1}"
        return (
            Gap("no_memory", f"memory ({missing}) was not measured: {why}", (self._rank,), serious=False),
        )

    def abandon(self) -> None:
        """The program ends: a step it is in the middle of is not measured."""
        measured = self._tensors
        with contextlib.suppress(Exception):
            self._close_records()
        self._tensors = measured

    def _prepare(self, step: int) -> None:
        if self._plan.is_plain(step):
            reset_resident_peak()
        if step == self._plan.allocator_step and not torch._C._autograd._profiler_enabled():
            self._records = AllocatorRecords()

    def _close_records(self) -> None:
        records, self._records = self._records, None
        if records is not None:
            self._tensors = records.close(self._rank)

    def _read(self) -> int:
        return resident_peak() if self._device == "cpu" else torch.cuda.max_memory_allocated(self._device)
