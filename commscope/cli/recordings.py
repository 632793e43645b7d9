"""Several recordings of one program under one name: NAME-1, NAME-2, ... where there is no run NAME."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commscope.cli.common import load

if TYPE_CHECKING:
    from commscope.analysis.result import Analysis


def recordings_at(path: str) -> tuple[str, ...]:
    """The run itself, or its repetitions in the order of their numbers."""
    run = Path(path)
    if run.exists() or not run.name or not run.parent.is_dir():
        return (path,)
    numbered = re.compile(re.escape(run.name) + r"-(?P<number>\d+)\Z")
    found = [
        (int(match["number"]), str(other))
        for other in run.parent.iterdir()
        if other.is_dir() and (match := numbered.match(other.name))
    ]
    return tuple(place for _, place in sorted(found)) or (path,)


def load_recordings(path: str, **options: Any) -> list[Analysis]:
    """Each recording analyzed; options as those of `load`."""
    return [load(run, **options) for run in recordings_at(path)]


def numbered(path: Path, repeat: int) -> list[Path]:
    """Where that many recordings go: one keeps the name."""
    return (
        [path] if repeat == 1 else [path.with_name(f"{path.name}-{place}") for place in range(1, repeat + 1)]
    )


def is_run(folder: Path) -> bool:
    """A run without a baseline beside it."""
    return (folder / "run.json").is_file() and not (folder / "expected.json").is_file()


def is_recording(folder: Path) -> bool:
    """A run as `record` leaves it, which is evidence and stays as it is."""
    return is_run(folder) and any(folder.glob("rank*.json*"))
