"""Memory of one extra step that is not profiled: peaks of the process, of the device and of tensors.

`rss` is the resident peak Linux keeps for the process, `cuda_allocator` torch's own peak, `tensors` (on the
CPU) what the allocator of torch held: tensors alive before the step plus the most the step added, the same on
every run.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from commscope.record.marks.ledger import Marks
from commscope.record.memory.allocator import AllocatorRecords
from commscope.schema import Phase
from commscope.trace import RankMemory

_RESET_PEAK = "5"  # proc(5): writing 5 to clear_refs resets the peak resident size


def measure_memory(step: Callable[[], Any], marks: Marks, rank: int, device: str) -> list[RankMemory]:
    """One more step for the peaks; on the CPU a second one under the allocator's records."""
    peaks = _Peaks(device)
    with marks.observed(peaks):
        step()
    peaks.close()
    kind = "rss" if device == "cpu" else "cuda_allocator"
    rows = [RankMemory(rank, kind, max(peaks.peaks.values()), dict(peaks.peaks))]
    if device == "cpu":
        rows.append(_tensor_memory(step, rank))
    return rows


class _Peaks:
    """The peak of each phase, read at every border of a phase."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._stack: list[str] = [Phase.OTHER.value]
        self.peaks: dict[str, int] = {}
        self._reset()

    def __call__(self, phase: str, *, entered: bool) -> None:
        self.close()
        if entered:
            self._stack.append(phase)
        else:
            self._stack.pop()

    def close(self) -> None:
        """Credit the peak so far to the phase that ends here."""
        phase = self._stack[-1]
        self.peaks[phase] = max(self.peaks.get(phase, 0), self._read())
        self._reset()

    def _read(self) -> int:
        return resident_peak() if self._device == "cpu" else torch.cuda.max_memory_allocated(self._device)

    def _reset(self) -> None:
        if self._device != "cpu":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            reset_resident_peak()


def reset_resident_peak() -> None:
    """Start the resident peak of this process anew, where Linux allows it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")


def resident_peak() -> int:
    """The most this process held in memory since the peak was reset, in bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _tensor_memory(step: Callable[[], Any], rank: int) -> RankMemory:
    records = AllocatorRecords()
    step()
    return records.close(rank)
