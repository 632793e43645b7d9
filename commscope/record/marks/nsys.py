"""Recording with Nsight Systems: each rank runs under `nsys profile`, exported to SQLite.

Only one of the two can listen to CUPTI, so under nsys torch's profiler stays off; steps, phases, layers and
collectives are there as NVTX ranges.
"""

from __future__ import annotations

import shutil
import sys

from commscope.errors import BackendProblem
from commscope.record.handover.request import RecordRequest
from commscope.record.marks.ranges import Timelines


def require_nsys() -> str:
    """The path of nsys. Raises BackendProblem where it is missing."""
    path = shutil.which("nsys")
    if path is None:
        raise BackendProblem(
            "--nsys needs nsys, which is not on PATH",
            hint="install Nsight Systems (Debian: nsight-systems), or record without --nsys",
        )
    return path


def nsys_command(request: RecordRequest, has_gpu: bool) -> list[str]:
    """What stands before the command of a rank; RANK names the file."""
    captured = ["--capture-range=cudaProfilerApi", "--capture-range-end=stop"] if has_gpu else []
    return [
        require_nsys(),
        "profile",
        "--trace=cuda,nvtx,osrt" if has_gpu else "--trace=nvtx,osrt",
        "--sample=none",
        "--cpuctxsw=none",
        *captured,
        "--export=sqlite",
        "--force-overwrite=true",
        f"--output={request.output}/rank%q{{RANK}}",
        sys.executable,
    ]


class NsysCapture:
    """Stands where torch's profiler does: marks steps, opens nsys' capture range for the profiled ones."""

    def __init__(self, timelines: Timelines, first: int, last: int) -> None:
        self._timelines = timelines
        self._first = first
        self._last = last
        self._step = 0

    def start(self) -> None:
        """Before the first step."""
        self._open()

    def step(self) -> None:
        """A border between steps."""
        self.stop()
        self._step += 1
        self._open()

    def stop(self) -> None:
        """After the last step, and at every border."""
        if self._is_captured():
            self._timelines.pop()
            if self._step == self._last:
                _control_capture("stop")

    def _open(self) -> None:
        if not self._is_captured():
            return
        if self._step == self._first:
            _control_capture("start")
        self._timelines.push_step(self._step)

    def _is_captured(self) -> bool:
        return self._first <= self._step <= self._last


def _control_capture(action: str) -> None:
    """Open or close nsys' capture range, where there is a GPU."""
    import torch

    if torch.cuda.is_available():
        getattr(torch.cuda.profiler, action)()
