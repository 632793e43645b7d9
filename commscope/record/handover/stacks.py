"""Where a rank stands that no longer answers: it writes its Python stack on a signal, even inside C code.

`write_stack_on_signal` runs in the rank; `ask_for_stacks` and `read_stacks` in the launcher.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commscope.record.handover.liveness import signalled

STACK_SIGNAL = signal.SIGRTMIN + 9  # nobody else's, unlike SIGUSR1 and SIGUSR2
ANSWER_S = 2.0
LIBRARY_FOLDERS = (
    f"{os.sep}torch{os.sep}",
    f"{os.sep}commscope{os.sep}record{os.sep}",
    "<frozen",
    "<string>",
)
_FRAME = re.compile(r'\s*File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)')
_WAITING = f"{os.sep}torch{os.sep}distributed{os.sep}"
_C10D = "distributed_c10d"
_THREAD = re.compile(r"^.*\(most recent call first\):$")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the main thread of a rank stands."""

    rank: int
    place: str  # the program's own innermost line
    in_collective: bool
    in_library: bool = False  # inside torch, where it may wait for others too


def write_stack_on_signal(folder: Path, rank: int) -> None:
    """Have this process write its stack into the folder whenever the signal comes."""
    file = stack_path(folder, rank).open("w", encoding="utf-8")
    faulthandler.register(STACK_SIGNAL, file=file, all_threads=True)


def ask_for_stacks(folder: Path, pids: Sequence[int]) -> None:
    """Have each process write its stack; wait a moment for the answers."""
    asked = sum(signalled(pid, STACK_SIGNAL) for pid in pids)
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        if sum(path.stat().st_size > 0 for path in folder.glob("rank*.stack")) >= asked:
            return
        time.sleep(0.05)


def read_stacks(folder: Path) -> tuple[Standing, ...]:
    """Where each rank stood that answered, by rank."""
    found = []
    for path in folder.glob("rank*.stack"):
        rank = int(path.stem.removeprefix("rank"))
        standing = standing_of(rank, path.read_text(encoding="utf-8", errors="replace"))
        if standing is not None:
            found.append(standing)
    return tuple(sorted(found, key=lambda standing: standing.rank))


def standing_of(rank: int, text: str) -> Standing | None:
    """What faulthandler wrote, read: the main thread is the last one it tells."""
    frames: list[re.Match[str]] = []
    for line in text.splitlines():
        if _THREAD.match(line):
            frames = []
        elif match := _FRAME.match(line):
            frames.append(match)
    if not frames:
        return None
    own = [frame for frame in frames if not any(part in frame["file"] for part in LIBRARY_FOLDERS)]
    innermost = (own or frames)[0]
    place = f"{innermost['file']}:{innermost['line']} in {innermost['name']}"
    in_collective = _WAITING in frames[0]["file"] or any(_C10D in frame["file"] for frame in frames)
    return Standing(rank, place, in_collective, in_library=innermost is not frames[0])


def stack_path(folder: Path, rank: int) -> Path:
    """The stack of one rank."""
    return folder / f"rank{rank}.stack"
