"""One format of another recorder as the readers' door wants it: files -> Run, part -> RankTrace."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from commscope.errors import UnreadableTrace
from commscope.readers.files.blocks import Damage, blocks_of
from commscope.readers.others.assemble import assembled
from commscope.readers.others.told import Member, OtherFormat
from commscope.readers.others.world import World, world_of
from commscope.readers.runs.discover import bare_info, rank_in_name, rank_said, rank_twice
from commscope.readers.runs.manifest import read_manifest
from commscope.readers.runs.ranks import every_rank
from commscope.readers.runs.trace_format import TraceFormat
from commscope.trace import Gap, RankPart, RankTrace, Run, RunInfo


def format_of(one: OtherFormat) -> TraceFormat:
    """The same as other readers are described."""

    def find(path: Path, files: list[Path], ranks: Mapping[str, int]) -> Run:
        return _run(one, path, files, ranks)

    def read(part: RankPart, info: RunInfo) -> RankTrace:
        return _rank(one, part, info)

    return TraceFormat(one.name, (), one.sniff, find, read)


@dataclass(frozen=True, slots=True)
class _Found:
    """One rank of one file, and the world rank it is said to be."""

    path: Path
    member: Member
    rank: int | None


def _run(one: OtherFormat, path: Path, files: list[Path], ranks: Mapping[str, int]) -> Run:
    folder = path if path.is_dir() else path.parent
    info, gaps = read_manifest(folder) if path.is_dir() else (bare_info(path, one.source), ())
    files, twice = _once(files)
    told = {file: one.tell(file, Damage()) for file in files}
    found = [
        _Found(file, member, _rank_of(member, file, folder, ranks, len(whole.members)))
        for file, whole in told.items()
        for member in whole.members
    ]
    if not found:
        raise UnreadableTrace(f"{one.title}: no rank in it", where=str(path), hint="record again")
    world = world_of([item.member for item in found])
    parts, more = _parts(one, found, world, path)
    sure = world.groups(tuple((part.rank, item.member) for part, item in parts))
    info = replace(
        info,
        source=one.source,
        backend=info.backend or next((whole.backend for whole in told.values() if whole.backend), None),
        world_size=info.world_size or world.size,
        groups=info.groups or sure,
    )
    ordered = sorted((part for part, _ in parts), key=lambda part: part.rank)
    return Run(info, tuple(ordered), (*gaps, *twice, *more))


def _once(files: list[Path]) -> tuple[list[Path], tuple[Gap, ...]]:
    """Files whose content is that of another are that file under a second name."""
    seen: dict[bytes, Path] = {}
    gaps = []
    for file in files:
        digest = hashlib.blake2b(usedforsecurity=False)
        for block in blocks_of(file, Damage()):
            digest.update(block)
        first = seen.setdefault(digest.digest(), file)
        if first != file:
            message = f"{file.name} holds what {first.name} holds: read once"
            gaps.append(Gap("ignored_files", message, serious=False))
    return list(seen.values()), tuple(gaps)


def _rank_of(member: Member, file: Path, folder: Path, ranks: Mapping[str, int], of_file: int) -> int | None:
    said = rank_said(file, ranks)
    if said is not None and of_file == 1:
        return said
    return member.rank if member.rank is not None else rank_in_name(file, folder) if of_file == 1 else None


def _parts(
    one: OtherFormat, found: list[_Found], world: World, path: Path
) -> tuple[list[tuple[RankPart, _Found]], list[Gap]]:
    """What the user, the file or its name says; else the place in the communicator of all; else numbers."""
    told = [item.rank if item.rank is not None else world.place(item.member) for item in found]
    ranks, gaps = every_rank([item.path for item in found], told, path)
    parts: dict[int, tuple[RankPart, _Found]] = {}
    for item, rank in zip(found, ranks, strict=True):
        if rank in parts and _is_same(parts[rank][1].member, item.member):
            first = parts[rank][0].path.name
            message = f"{item.path.name} tells what {first} tells: read once"
            gaps.append(Gap("ignored_files", message, serious=False))
            continue
        if rank in parts:
            raise rank_twice(rank, parts[rank][0].path, item.path, path)
        parts[rank] = RankPart(rank, item.path, one.name, item.member.selector), item
    return list(parts.values()), gaps


def _is_same(one: Member, other: Member) -> bool:
    """Whether two files tell the same calls, as a dump written in two ways does."""
    return [item.facts for item in one.activities] == [item.facts for item in other.activities]


def _rank(one: OtherFormat, part: RankPart, info: RunInfo) -> RankTrace:
    damage = Damage()
    told = one.tell(part.path, damage)
    chosen = next((item for item in told.members if item.selector == part.selector), None)
    if chosen is None:
        raise UnreadableTrace(
            f"the file no longer holds rank {part.rank}", where=str(part.path), hint="open the run again"
        )
    return assembled(one, part.rank, told, chosen, info, damage)
