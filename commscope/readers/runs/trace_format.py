"""One format of traces: what a reader is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from commscope.trace import RankPart, RankTrace, Run, RunInfo

Sniff = Callable[[Path, bytes], bool]
Read = Callable[[RankPart, RunInfo], RankTrace]
Find = Callable[[Path, list[Path], Mapping[str, int]], Run]


@dataclass(frozen=True, slots=True)
class TraceFormat:
    """A format by name: whether a file is of it, which rank is where, and one rank read whole."""

    name: str
    endings: tuple[str, ...]  # of files that are of this format whatever they hold
    sniff: Sniff  # path and first bytes -> whether a file may be of this format
    find: Find  # path, files and ranks the user said -> Run
    read: Read
