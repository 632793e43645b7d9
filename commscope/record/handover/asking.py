"""A capture asked of a running job: files in a folder that job and command both know.

    FOLDER/rankN.listens   held and locked by rank N while it listens; says how many ranks there are
    FOLDER/ask.json        what the command asks
    FOLDER/go.json         what rank 0 answers: what is asked, and at which step all ranks begin

Nothing here imports torch: the command needs none.
"""

from __future__ import annotations

import contextlib
import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from commscope.errors import UsageProblem
from commscope.record.handover.liveness import descendants
from commscope.record.handover.request import RecordRequest, decode_as, encode
from commscope.whole import write_whole

_ASK, _GO, _LISTENS = "ask.json", "go.json", ".listens"
_HINT = "the job listens inside `with commscope.listen(FOLDER) as steps`, and calls steps.end_step()"


@dataclass(frozen=True, slots=True)
class Go:
    """What all ranks of one launch do at a border that none of them has reached."""

    launch: str
    first_step: int
    request: RecordRequest


def take_place_of(folder: Path, rank: int, world_size: int) -> IO[str]:
    """Say that a rank listens, as long as this file is open. Raises UsageProblem where one does already."""
    folder.mkdir(parents=True, exist_ok=True)
    place = _place(folder, rank).open("a+", encoding="ascii")
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        place.close()
        hint = "give each job a folder of its own"
        raise UsageProblem(
            f"rank {rank} of a job listens here already", where=str(folder), hint=hint
        ) from error
    place.truncate(0)
    place.write(str(world_size))
    place.flush()
    if rank == 0:
        for left in (_ASK, _GO):
            (folder / left).unlink(missing_ok=True)
    return place


def find_listening(target: str) -> Path:
    """The folder where a job listens, by its name or by a process of the job or its launcher."""
    if Path(target).is_dir():
        return Path(target)
    if not target.isdigit():
        raise UsageProblem("there is no such folder or process", where=target, hint=_HINT)
    for pid in descendants(int(target)):
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                place = entry.readlink()
                if place.suffix == _LISTENS:
                    return place.parent
    raise UsageProblem("no process of this job listens", where=f"process {target}", hint=_HINT)


def listening_ranks(folder: Path) -> int:
    """How many ranks the job has. Raises UsageProblem where it does not listen."""
    try:
        with _place(folder, 0).open(encoding="ascii") as place:
            fcntl.flock(place, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        pass
    except BlockingIOError:
        return int(_place(folder, 0).read_text(encoding="ascii"))
    raise UsageProblem("no job listens in this folder", where=str(folder), hint=_HINT)


def ask(folder: Path, request: RecordRequest) -> None:
    """Leave what is asked for. Raises UsageProblem where another command waits for its answer."""
    if (folder / _ASK).exists():
        raise UsageProblem("another capture has been asked for", where=str(folder), hint="wait for its end")
    write_whole(folder / _ASK, encode(request))


def withdraw(folder: Path) -> None:
    """Ask no longer, where nobody answered."""
    (folder / _ASK).unlink(missing_ok=True)


def taken_ask(folder: Path) -> RecordRequest | None:
    """What is asked of rank 0, once."""
    try:
        data = (folder / _ASK).read_bytes()
    except FileNotFoundError:
        return None
    withdraw(folder)
    return decode_as(RecordRequest, data)


def tell_go(folder: Path, go: Go) -> None:
    """Answer, for all ranks."""
    write_whole(folder / _GO, encode(go))


def read_go(folder: Path) -> Go | None:
    """The last answer of rank 0, of this launch or another."""
    try:
        return decode_as(Go, (folder / _GO).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def go_time_ns(folder: Path) -> int:
    """When rank 0 answered last; 0 where it never did. Cheap enough for every step."""
    try:
        return (folder / _GO).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _place(folder: Path, rank: int) -> Path:
    return folder / f"rank{rank}{_LISTENS}"
