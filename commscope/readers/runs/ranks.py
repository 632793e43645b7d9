"""Ranks of files that say none: takes files and what is told of each, gives a rank for every one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from commscope.errors import UnreadableTrace
from commscope.readers.runs.discover import numbers_in_names
from commscope.trace import Gap


def every_rank(files: Sequence[Path], told: Sequence[int | None], where: Path) -> tuple[list[int], list[Gap]]:
    """As told; one file alone is rank 0, and files of which none is told are numbered as their names are.

    Raises UnreadableTrace where neither helps.
    """
    known = [rank for rank in told if rank is not None]
    unknown = [file for file, rank in zip(files, told, strict=True) if rank is None]
    if not unknown:
        return known, []
    if len(files) == 1:
        name = files[0].name
        gap = Gap("rank_unknown", f"{name} does not say its rank: taken as rank 0", (0,),
                  cost="matching with other ranks is not possible", hint=f"--rank {name}=N")  # fmt: skip
        return [0], [gap]
    numbered = numbers_in_names(files) if not known else None
    if numbered is None or len(numbered) != len(files):
        names = ", ".join(file.name for file in unknown[:4])
        raise UnreadableTrace(
            f"the rank of {len(unknown)} files is not known: {names}",
            where=str(where),
            hint=" ".join(f"--rank {file.name}=N" for file in unknown[:4]),
        )
    gap = Gap("rank_from_number", "ranks were taken from the numbers in the files' names", serious=False)
    return [numbered[file] for file in files], [gap]
