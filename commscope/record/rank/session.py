"""One rank under the profiler: step borders in, rankN.json.gz, step times and losses out.

Warm-up steps first, then plain steps, so that the cost of the capture is a number; then one step while the
profiler warms up, then the profiled ones.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from commscope.record.handover.facts import Beat, beat_path
from commscope.record.handover.load import CpuMeter
from commscope.record.handover.request import RecordRequest, encode
from commscope.record.handover.step_plan import SETTLE, Plan
from commscope.record.marks.ledger import Marks
from commscope.record.marks.nsys import NsysCapture
from commscope.record.memory import measure_memory
from commscope.record.rank.export import save_trace
from commscope.record.rank.saving import Wait, save_in_child, save_in_thread
from commscope.record.rank.sent import sent_bytes
from commscope.trace import RankMemory, SavedBytes, StepTime

Step = Callable[[], float | None]
AtBorder = Callable[[int], None]  # told the number of the step that just ended, outside all timing


@dataclass(frozen=True, slots=True)
class Rank:
    """Where this process stands in the run."""

    rank: int
    world_size: int
    device: str = "cpu"

    def synchronize(self) -> None:
        """Wait for the device, so that host times mean something."""
        if self.device != "cpu" and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()


class Session:
    """Times steps and leaves the trace of this rank in the run folder; told every border between steps."""

    def __init__(self, request: RecordRequest, rank: Rank, marks: Marks, plan: Plan) -> None:
        self.request = request
        self.rank = rank
        self.marks = marks
        self.plan = plan
        self.step = 0
        self.step_times: list[StepTime] = []
        self.losses: list[float] = []
        self.memory: list[RankMemory] = []
        self.saved_bytes: tuple[SavedBytes, ...] = ()
        self._saved: Wait | None = None
        self.at_border: AtBorder = _nothing
        self.sent_per_step: int | None = None
        self.cpu = CpuMeter(plan)
        self._sent_before: int | None = None
        self._start_ns = 0
        self._profiler: Any = self._nsys() if request.nsys else self._kineto()

    @property
    def is_done(self) -> bool:
        """Whether all profiled steps of the plan were made."""
        return self.step >= self.plan.total

    @property
    def profiled_steps(self) -> int:
        """Profiled steps that came to their end."""
        return max(min(self.step, self.plan.total) - self.plan.first_profiled, 0)

    @contextlib.contextmanager
    def open(self) -> Iterator[Session]:
        """From the first step to the last; a trace cut short by a failure is saved as far as it goes."""
        self._profiler.start()
        self._begin()
        try:
            yield self
        except BaseException:
            with contextlib.suppress(Exception):
                self._close()
            raise
        self._close()

    def end_step(self, loss: float | None = None) -> None:
        """The border after a step; after the last step of the plan, nothing."""
        if self.step >= self.plan.last:
            return
        self.rank.synchronize()
        time_ns = time.perf_counter_ns() - self._start_ns
        self.cpu.border(self.step + 1)
        if self.plan.is_timed(self.step):
            profiled = self.plan.is_profiled(self.step)
            self.step_times.append(StepTime(self.rank.rank, self.step, time_ns, profiled))
        if loss is not None:
            self.losses.append(loss)
        if not self.is_done:
            self._end_step_of_capture(time_ns, loss)
        else:
            self.step += 1
            if self.step == self.plan.total + SETTLE:
                self.wait_until_saved()  # what is timed from here on is to have the machine for itself
        self.at_border(self.step - 1)
        self._begin()

    def wait_until_saved(self) -> None:
        """Return once the trace is in the run folder. Raises BackendProblem where it could not be written."""
        saved, self._saved = self._saved, None
        if saved is not None:
            saved()

    def _end_step_of_capture(self, time_ns: int, loss: float | None) -> None:
        self._count_sent()
        self.step += 1
        self._profiler.step()
        self._beat(time_ns, loss)

    def run(self, step: Step) -> None:
        """All steps of the plan, and one more that only measures memory."""
        with self.open():
            while not self.is_done:
                self.end_step(step())
        self.memory.extend(measure_memory(step, self.marks, self.rank.rank, self.rank.device))

    def _kineto(self) -> Any:
        return profile(
            activities=activities(self.rank.device),
            schedule=schedule(
                wait=self.plan.first_profiled - 1, warmup=1, active=self.plan.profiled, repeat=1
            ),
            on_trace_ready=self._save,
            record_shapes=True,
            acc_events=False,
        )

    def _nsys(self) -> Any:
        return NsysCapture(self.marks.timelines, self.plan.first_profiled, self.plan.total - 1)

    def _begin(self) -> None:
        self.marks.ledger.begin_step(self.step if self.plan.is_profiled(self.step) else None)
        self._start_ns = time.perf_counter_ns()

    def _close(self) -> None:
        self.marks.ledger.begin_step(None)
        self._profiler.stop()
        self.wait_until_saved()

    def _count_sent(self) -> None:
        """What the sockets sent between the first and the last border of the profiled steps."""
        if self.step == self.plan.first_profiled - 1:
            self._sent_before = sent_bytes()
        elif self.step == self.plan.total - 1 and self._sent_before is not None:
            after = sent_bytes()
            if after is not None:
                self.sent_per_step = round((after - self._sent_before) / self.plan.profiled)

    def _save(self, profiler: Any) -> None:
        unfinished = None if self.is_done else self.step
        write = functools.partial(save_trace, profiler, self.request, self.rank.rank, unfinished)
        self._saved = (save_in_child if self.rank.device == "cpu" else save_in_thread)(write)

    def _beat(self, time_ns: int, loss: float | None) -> None:
        """Tell the launcher that this rank finished a step."""
        beat = Beat(self.rank.rank, self.step, self.plan.total, time_ns, loss)
        path = beat_path(self.request.work_folder, self.rank.rank)
        partial = path.with_suffix(".partial")
        partial.write_bytes(encode(beat))
        partial.replace(path)


def activities(device: str) -> list[ProfilerActivity]:
    """What to trace: the host always, the device where there is one."""
    return [ProfilerActivity.CPU] if device == "cpu" else [ProfilerActivity.CPU, ProfilerActivity.CUDA]


def _nothing(_ended: int) -> None:
    """What happens at a border where nobody asked for more."""
