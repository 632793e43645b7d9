"""Which rank is which in nsys exports: takes files, gives Run with one part a process and device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from commscope.errors import UnreadableTrace
from commscope.readers.nsys.communicators import communicators
from commscope.readers.nsys.one_rank import NAME
from commscope.readers.nsys.sqlite_file import database
from commscope.readers.nsys.tables import Member, members
from commscope.readers.runs.discover import bare_info, numbers_in_names, rank_in_name, rank_said, rank_twice
from commscope.readers.runs.manifest import read_manifest
from commscope.schema import Source
from commscope.trace import Gap, RankPart, Run


@dataclass(frozen=True, slots=True)
class _File:
    """An export with the processes and devices in it."""

    path: Path
    members: tuple[Member, ...]
    told: tuple[int, ...]  # the rank of each member as NCCL said, empty where it did not of all
    world_size: int | None
    first: int | None = None  # the first rank in it, as the user or its name says


def nsys_run(path: Path, files: list[Path], ranks: Mapping[str, int]) -> Run:
    """A run of nsys exports. Raises UnreadableTrace where ranks cannot be told."""
    folder = path if path.is_dir() else path.parent
    info, gaps = read_manifest(folder) if path.is_dir() else (bare_info(path, Source.NSYS), ())
    found = [_opened(file, folder, ranks) for file in files]
    full = [file for file in found if file.members]
    if not full:
        raise UnreadableTrace(
            "the export holds no GPU work and no NVTX ranges",
            where=str(found[0].path),
            hint="record with: nsys profile --trace cuda,nvtx",
        )
    more = [
        Gap("ignored_files", f"{file.path.name} holds no GPU work", serious=False)
        for file in found
        if not file.members
    ]
    parts, by_device = _parts(_numbered(full, path), path)
    if by_device:
        more.append(_numbered_by_device(by_device))
    sizes = {file.world_size for file in full}
    info = replace(
        info, source=Source.NSYS, world_size=info.world_size or (sizes.pop() if len(sizes) == 1 else None)
    )
    return Run(info, tuple(parts[rank] for rank in sorted(parts)), (*gaps, *more))


def _opened(file: Path, folder: Path, ranks: Mapping[str, int]) -> _File:
    inside = members(file)
    with database(file) as base:
        said = communicators(base)
    told = [said.ranks.get((member.process, member.device)) for member in inside]
    known = tuple(rank for rank in told if rank is not None)
    first = rank_said(file, ranks)
    if first is None and len(inside) == 1:
        first = rank_in_name(file, folder)
    return _File(file, inside, known if len(known) == len(inside) else (), said.world_size, first)


def _numbered(files: list[_File], path: Path) -> list[_File]:
    """The same files, those of one rank each that say none numbered as their names are."""
    unknown = [file for file in files if file.first is None and not file.told and len(file.members) == 1]
    if not unknown or len(files) == 1:
        return files
    numbers = numbers_in_names(file.path for file in unknown) if len(unknown) == len(files) else None
    if numbers is None:
        raise UnreadableTrace(
            f"the rank of {unknown[0].path.name} is not known",
            where=str(path),
            hint=" ".join(f"--rank {file.path.name}=N" for file in unknown[:4]),
        )
    return [replace(file, first=numbers[file.path]) for file in files]


def _parts(files: list[_File], path: Path) -> tuple[dict[int, RankPart], list[int]]:
    """The parts by rank, and the ranks that were only counted."""
    parts: dict[int, RankPart] = {}
    counted: list[int] = []
    for file in files:
        start = file.first if file.first is not None else max(parts, default=-1) + 1
        numbers = tuple(range(start, start + len(file.members)))
        if file.first is None:
            numbers = file.told or numbers
            counted += [] if file.told else numbers
        for rank, member in zip(numbers, file.members, strict=True):
            if rank in parts:
                raise rank_twice(rank, parts[rank].path, file.path, path)
            parts[rank] = RankPart(rank, file.path, NAME, member.selector)
    return parts, counted


def _numbered_by_device(ranks: list[int]) -> Gap:
    return Gap(
        "rank_from_device",
        "ranks were numbered by device: the capture does not say them",
        tuple(sorted(ranks)),
        serious=False,
        cost="rank numbers may differ from the program's",
        hint="--rank FILE=N says the first rank of a file; NCCL says it where its start is captured",
    )
