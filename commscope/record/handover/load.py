"""How busy other programs kept the machine while steps were measured: /proc at borders in, cores out (Linux).

Other load slows every step and looks like slower code, so the run says how much there was: busy time of all
cores less the time of the run's own processes, over the time that passed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from commscope.record.handover.liveness import cpu_seconds
from commscope.record.handover.step_plan import SETTLE, Plan

PROC = Path("/proc")
SHORTEST_S = 0.2  # the kernel counts in hundredths of a second
WHOLE = 0.5  # of all cores' time must be accounted for: some sandboxes tell zeros
_IDLE, _IOWAIT, _STEAL = 3, 4, 7  # proc(5) stat, counted after `cpu`; guests are in user already
_USER, _SYSTEM = 11, 12  # proc(5) pid/stat, counted after the name


@dataclass(frozen=True, slots=True)
class CpuReading:
    """Time used since the machine, or the process, started; seconds."""

    wall_s: float
    busy_s: float  # all cores
    told_s: float  # all cores, busy or idle
    cores: int
    own_s: float  # this process and all that came from it
    launcher: int
    launcher_s: float  # the process that started this one, without its children


@dataclass(frozen=True, slots=True)
class CpuUse:
    """What the cores of a rank's machine did while it measured; seconds."""

    wall_s: float
    busy_s: float
    told_s: float
    cores: int
    own_s: float
    launcher: int
    launcher_s: float


@dataclass(frozen=True, slots=True)
class OtherLoad:
    """Cores of one machine that were busy with other programs, on average."""

    busy_cores: float
    cores: int


class CpuMeter:
    """Adds up the measured stretches of a plan; told every border."""

    def __init__(self, plan: Plan) -> None:
        self._starts = (max(plan.warmup, 1), plan.total + SETTLE if plan.plain_after else None)
        self._ends = (plan.total, plan.last)
        self._before: CpuReading | None = None
        self.use: CpuUse | None = None

    def border(self, steps: int) -> None:
        """So many steps were made."""
        if self._before is not None and steps in self._ends:
            after = read_cpu()
            self.use = None if after is None else _added(self.use, _between(self._before, after))
            self._before = None
        if steps in self._starts:
            self._before = read_cpu()


def read_cpu(proc: Path = PROC) -> CpuReading | None:
    """The state now; None where /proc does not tell."""
    try:
        lines = (proc / "stat").read_text(encoding="utf-8").splitlines()
        own = cpu_seconds((os.getpid(),), proc)[os.getpid()]
    except (OSError, KeyError):
        return None
    tick = os.sysconf("SC_CLK_TCK")
    times = [int(field) / tick for field in lines[0].split()[1 : _STEAL + 2]]
    launcher = os.getppid()
    return CpuReading(
        wall_s=time.monotonic(),
        busy_s=sum(times) - times[_IDLE] - times[_IOWAIT],
        told_s=sum(times),
        cores=sum(line.startswith("cpu") for line in lines) - 1,
        own_s=own,
        launcher=launcher,
        launcher_s=_alone(proc / str(launcher)) / tick,
    )


def other_load(ranks: Iterable[tuple[str, CpuUse | None]]) -> OtherLoad | str:
    """Host and use of each rank -> the machine with the largest share of other work, or why none is told."""
    hosts: dict[str, list[CpuUse]] = {}
    for host, use in ranks:
        if use is None:
            return "/proc does not tell, or a rank did not come to the end of its steps"
        hosts.setdefault(host, []).append(use)
    if any(use.told_s < WHOLE * use.wall_s * use.cores for uses in hosts.values() for use in uses):
        return "/proc/stat does not account for the time of all cores"
    if any(use.wall_s < SHORTEST_S for uses in hosts.values() for use in uses):
        return f"the measured steps took less than {SHORTEST_S:g} s"
    found = [_on_one_host(uses) for uses in hosts.values()]
    return max(found, key=lambda load: load.busy_cores / load.cores, default="no rank told anything")


def _on_one_host(uses: Sequence[CpuUse]) -> OtherLoad:
    """Of one machine; each launcher once."""
    first = uses[0]
    own = sum(use.own_s / use.wall_s for use in uses)
    launchers = {use.launcher: use.launcher_s / use.wall_s for use in uses}
    other = first.busy_s / first.wall_s - own - sum(launchers.values())
    return OtherLoad(round(max(other, 0.0), 3), first.cores)


def _between(before: CpuReading, after: CpuReading) -> CpuUse:
    return CpuUse(
        wall_s=after.wall_s - before.wall_s,
        busy_s=after.busy_s - before.busy_s,
        told_s=after.told_s - before.told_s,
        cores=after.cores,
        own_s=after.own_s - before.own_s,
        launcher=after.launcher,
        launcher_s=after.launcher_s - before.launcher_s,
    )


def _added(one: CpuUse | None, other: CpuUse) -> CpuUse:
    if one is None:
        return other
    return CpuUse(
        wall_s=one.wall_s + other.wall_s,
        busy_s=one.busy_s + other.busy_s,
        told_s=one.told_s + other.told_s,
        cores=other.cores,
        own_s=one.own_s + other.own_s,
        launcher=other.launcher,
        launcher_s=one.launcher_s + other.launcher_s,
    )


def _alone(process: Path) -> int:
    """Ticks of one process without its children; none of a process outside of our view."""
    try:
        fields = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[_USER]) + int(fields[_SYSTEM])
