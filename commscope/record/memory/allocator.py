"""What tensors held on the host: the records of torch's allocator -> bytes at most, in all and by phase."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch.profiler import ProfilerActivity, profile

from commscope.record.memory.blocks import levels
from commscope.schema import PHASE_RANGE, Phase
from commscope.trace import RankMemory

_AUTOGRAD_NODE = "autograd::engine::evaluate_function"
_OPTIMIZER_STEP = "Optimizer.step#"

PhaseRange = tuple[float, float, str]  # start and end in the profiler's time, phase


class AllocatorRecords:
    """The records of the host's allocator, from the making of this object to `close`."""

    def __init__(self) -> None:
        self._held = sum(living_storages().values())
        self._profiler = profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=False)
        self._profiler.start()

    def close(self, rank: int) -> RankMemory:
        """What tensors held at most: those alive at the start, and the most that was added."""
        self._profiler.stop()
        alive = living_storages().keys()
        with tempfile.TemporaryDirectory(prefix="commscope-") as folder:
            path = Path(folder) / "memory.json"
            self._profiler.export_chrome_trace(str(path))
            events = msgspec.json.decode(path.read_bytes())["traceEvents"]
        peak, by_phase = allocated_by_phase(events, alive)
        phases = {phase: self._held + size for phase, size in by_phase.items()}
        return RankMemory(rank, "tensors", self._held + peak, phases)


def living_storages() -> dict[int, int]:
    """Address and bytes of every storage on the host that a living tensor refers to."""
    gc.collect()
    sizes: dict[int, int] = {}
    for value in gc.get_objects():
        if type(value) in (torch.Tensor, torch.nn.Parameter):
            for tensor in (value, value.grad if value.is_leaf else None):
                if tensor is not None and tensor.device.type == "cpu":
                    storage = tensor.untyped_storage()
                    sizes[storage.data_ptr()] = storage.nbytes()
    return sizes


def allocated_by_phase(
    events: Sequence[dict[str, Any]], alive: Collection[int]
) -> tuple[int, dict[str, int]]:
    """The most the allocator held over its level at the start, in all and while each phase was innermost.

    `alive` are the addresses of the tensors that live when the records end. Phases are those the program
    marked; of a program without marks, what autograd and the optimizers mark.
    """
    marked = sorted(_marked_ranges(events))
    upcoming = marked[::-1] or sorted(_ruled_ranges(events), reverse=True)
    forward_ends = max((end for _, end, phase in upcoming if phase == Phase.BACKWARD), default=0.0)
    running: list[PhaseRange] = []
    peak = 0
    by_phase: dict[str, int] = {}
    for time, allocated in levels(events, alive):
        while upcoming and upcoming[-1][0] <= time:
            running.append(upcoming.pop())
        running = [found for found in running if time < found[1]]
        between = Phase.FORWARD if not marked and time < forward_ends else Phase.OTHER
        phase = running[-1][2] if running else between.value
        peak = max(peak, allocated)
        by_phase[phase] = max(by_phase.get(phase, 0), allocated)
    return peak, by_phase


def _marked_ranges(events: Sequence[dict[str, Any]]) -> Iterator[PhaseRange]:
    for event in events:
        name = str(event.get("name", ""))
        if name.startswith(PHASE_RANGE) and "dur" in event:
            yield event["ts"], event["ts"] + event["dur"], name.removeprefix(PHASE_RANGE)


def _ruled_ranges(events: Sequence[dict[str, Any]]) -> Iterator[PhaseRange]:
    for event in events:
        name = str(event.get("name", ""))
        if "dur" not in event:
            continue
        if name.startswith(_AUTOGRAD_NODE):
            yield event["ts"], event["ts"] + event["dur"], Phase.BACKWARD.value
        elif name.startswith(_OPTIMIZER_STEP):
            yield event["ts"], event["ts"] + event["dur"], Phase.OPTIMIZER.value
