"""Whether processes do anything: their ids in, CPU time of each with all its descendants out (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PPID, _USER, _SYSTEM, _REAPED_USER, _REAPED_SYSTEM = 1, 11, 12, 13, 14  # proc(5), counted after the name


def cpu_seconds(pids: Iterable[int], proc: Path = Path("/proc")) -> dict[int, float]:
    """CPU time of each process and of all that came from it; absent where the process is gone."""
    tick = os.sysconf("SC_CLK_TCK")
    found = {int(entry.name): _fields(entry) for entry in proc.glob("[0-9]*")}
    known = {pid: fields for pid, fields in found.items() if fields}
    children: dict[int, list[int]] = {}
    for pid, fields in known.items():
        children.setdefault(int(fields[_PPID]), []).append(pid)
    return {pid: _total(pid, known, children) / tick for pid in pids if pid in known}


def signalled(pid: int, number: int) -> bool:
    """Send a signal (0: only look); whether there was a process of ours to send it to."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def descendants(root: int, proc: Path = Path("/proc")) -> tuple[int, ...]:
    """A process and all that came from it and are there."""
    parents = {int(entry.name): _fields(entry) for entry in proc.glob("[0-9]*")}
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += [child for child, fields in parents.items() if fields and int(fields[_PPID]) == pid]
    return tuple(found)


def die_with_parent(parent: int) -> None:
    """End this process when the one that started it is gone, however it went; at once where it is already."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)


def _total(root: int, known: dict[int, list[str]], children: dict[int, list[int]]) -> int:
    waiting, total = [root], 0
    while waiting:
        pid = waiting.pop()
        total += sum(int(known[pid][at]) for at in (_USER, _SYSTEM, _REAPED_USER, _REAPED_SYSTEM))
        waiting.extend(children.get(pid, ()))
    return total


def _fields(entry: Path) -> list[str]:
    """Fields of proc(5) stat after the name, which may hold blanks; none of a process that is gone."""
    try:
        return (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
