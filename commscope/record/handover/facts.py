"""What one rank leaves beside its trace: small JSON files in the work folder, each whole or not there."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from commscope.record.handover.links import Link
from commscope.record.handover.load import CpuUse
from commscope.record.handover.request import encode
from commscope.trace import Gap, LedgerRow, ProcessGroup, RankMemory, SavedBytes, StepTime
from commscope.whole import write_whole


@dataclass(frozen=True, slots=True)
class RankFacts:
    """Everything a rank knows that its trace does not say."""

    rank: int
    world_size: int
    backend: str | None
    complete: bool
    host: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    versions: dict[str, str] = field(default_factory=dict)
    groups: tuple[ProcessGroup, ...] = ()
    step_times: tuple[StepTime, ...] = ()
    memory: tuple[RankMemory, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    losses: tuple[float, ...] = ()
    sent_bytes: int | None = None  # a profiled step, on average
    clock: dict[str, int] = field(default_factory=dict)
    workload: str | None = None
    links: tuple[Link, ...] = ()  # between the GPUs of its host, told by the first rank there
    gaps: tuple[Gap, ...] = ()  # what could not be told, and why
    cpu: CpuUse | None = None  # while steps were measured
    saved: tuple[SavedBytes, ...] = ()  # what autograd keeps of a forward pass


@dataclass(frozen=True, slots=True)
class RankError:
    """How a rank ended, told by itself."""

    rank: int
    kind: str  # name of the exception, or `signal SIGTERM`
    message: str
    place: str  # file:line of the program's own innermost frame
    in_collective: bool  # whether it stood inside torch.distributed
    time_ns: int
    exit_code: int = 1
    hint: str = ""  # what to do about it, where the error was one of ours


@dataclass(frozen=True, slots=True)
class Beat:
    """A rank is alive: the step it just finished."""

    rank: int
    step: int
    steps: int
    time_ns: int  # of the step
    loss: float | None = None


def facts_path(folder: Path, rank: int) -> Path:
    """Facts of one rank."""
    return folder / f"rank{rank}.facts.json"


def error_path(folder: Path, rank: int) -> Path:
    """How one rank ended, if it failed."""
    return folder / f"rank{rank}.error.json"


def beat_path(folder: Path, rank: int) -> Path:
    """The last step of one rank."""
    return folder / f"rank{rank}.beat.json"


def write_facts(folder: Path, facts: RankFacts) -> None:
    """Leave the facts of a rank."""
    write_whole(facts_path(folder, facts.rank), encode(facts))


def read_all_facts(folder: Path) -> tuple[RankFacts, ...]:
    """Facts of every rank that left some, by rank."""
    found = (
        msgspec.json.decode(path.read_bytes(), type=RankFacts) for path in folder.glob("rank*.facts.json")
    )
    return tuple(sorted(found, key=lambda facts: facts.rank))


def read_all_errors(folder: Path) -> tuple[RankError, ...]:
    """Errors of every rank that told one, the first first."""
    found = (
        msgspec.json.decode(path.read_bytes(), type=RankError) for path in folder.glob("rank*.error.json")
    )
    return tuple(sorted(found, key=lambda error: error.time_ns))


def read_beats(folder: Path) -> tuple[Beat, ...]:
    """The last sign of life of every rank."""
    found = (msgspec.json.decode(path.read_bytes(), type=Beat) for path in folder.glob("rank*.beat.json"))
    return tuple(sorted(found, key=lambda beat: beat.rank))


def write_pid(folder: Path, rank: int) -> None:
    """Tell the launcher which process is this rank."""
    write_whole(folder / f"rank{rank}.pid", str(os.getpid()).encode())


def read_pids(folder: Path) -> tuple[int, ...]:
    """Processes of the ranks of this node."""
    return tuple(pid_of_rank(folder).values())


def pid_of_rank(folder: Path) -> dict[int, int]:
    """The process of each rank of this node."""
    found = ((path.stem.removeprefix("rank"), path.read_bytes()) for path in folder.glob("rank*.pid"))
    return {int(rank): int(pid) for rank, pid in found}


def describe_host() -> dict[str, Any]:
    """The machine a rank runs on."""
    return {
        "name": socket.gethostname(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
