"""Which runs may be read: takes the roots given at the start and a name, gives a path inside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commscope.errors import UsageProblem


@dataclass(frozen=True, slots=True)
class Roots:
    """Folders, resolved once; a link that leads out of them is followed to its end and refused."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, given: Sequence[str]) -> Roots:
        """Raises UsageProblem where one is no folder."""
        found = []
        for text in given:
            path = Path(text).resolve()
            if not path.is_dir():
                raise UsageProblem("not a folder", where=text, hint="name folders that hold runs")
            found.append(path)
        return cls(tuple(found))

    def path_of(self, name: str) -> Path:
        """The run of a name as `runs` lists it, or of a path. Raises UsageProblem outside the roots."""
        for root in self.folders:
            try:
                path = (root / name).resolve()
            except (OSError, ValueError, RuntimeError):
                continue
            if path.exists() and any(path.is_relative_to(folder) for folder in self.folders):
                return path
        raise UsageProblem(
            f"no run {name!r} under the roots of this server",
            hint="the tool `runs` lists the names there are",
        )

    def name_of(self, path: Path) -> str:
        """A run's path as its name."""
        root = next(folder for folder in self.folders if path.is_relative_to(folder))
        return str(path.relative_to(root)) if path != root else "."
