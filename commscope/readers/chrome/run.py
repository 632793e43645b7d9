"""Which rank is which in Chrome JSON files: takes files, gives Run with one part a rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from commscope.errors import UnreadableTrace
from commscope.readers.chrome.peek import Peek, peek
from commscope.readers.files.containers import packed_in, told_apart
from commscope.readers.runs.discover import bare_info, rank_in_name, rank_said, rank_twice
from commscope.readers.runs.manifest import read_manifest
from commscope.readers.runs.ranks import every_rank
from commscope.schema import Source
from commscope.trace import Gap, ProcessGroup, RankPart, Run, RunInfo


@dataclass(frozen=True, slots=True)
class Found:
    """A file with what it says and what its name says."""

    path: Path
    peek: Peek
    named_rank: int | None


def kineto_run(path: Path, files: list[Path], ranks: Mapping[str, int]) -> Run:
    """A run of Chrome JSON files, one a rank."""
    folder = path if path.is_dir() else path.parent
    info, gaps = read_manifest(folder) if path.is_dir() else (bare_info(path, Source.KINETO), ())
    found, ignored = [], []
    for file in files:
        seen = peek(file)
        if seen.is_trace:
            found.append(Found(file, seen, rank_in_name(file, folder)))
        else:
            ignored.append((file, seen))
    if not found:
        raise _no_trace(path, ignored)
    parts, more = _parts(found, ranks, path)
    if ignored and path.is_dir():
        names = ", ".join(file.name for file, _ in ignored[:5])
        is_of_rank = any(rank_in_name(file, folder) is not None for file, _ in ignored)
        more.append(Gap("ignored_files", f"{len(ignored)} files are no traces: {names}", serious=is_of_rank))
    return Run(_completed(info, found), parts, (*gaps, *more))


def _parts(
    found: list[Found], ranks: Mapping[str, int], path: Path
) -> tuple[tuple[RankPart, ...], list[Gap]]:
    fused = [item for item in found if item.peek.fused and rank_said(item.path, ranks) is None]
    if not fused:
        return _with_ranks(found, ranks, path)
    if len(found) > 1:
        raise UnreadableTrace(
            f"{fused[0].path.name} holds several ranks, and there are other files beside it",
            where=str(path),
            hint=f"name that file alone: {fused[0].path}",
        )
    only = fused[0]
    gap = Gap(
        "fused_ranks", f"{only.path.name} holds {len(only.peek.fused)} ranks in one file", serious=False
    )
    return tuple(RankPart(rank, only.path, "kineto", chosen) for rank, chosen in only.peek.fused), [gap]


def _with_ranks(
    found: list[Found], ranks: Mapping[str, int], path: Path
) -> tuple[tuple[RankPart, ...], list[Gap]]:
    told = [_told(item, ranks) for item in found]
    known, gaps = every_rank([item.path for item in found], told, path)
    parts: dict[int, RankPart] = {}
    for item, rank in zip(found, known, strict=True):
        if rank in parts:
            raise rank_twice(rank, parts[rank].path, item.path, path)
        parts[rank] = RankPart(rank, item.path, "kineto")
    return tuple(parts[rank] for rank in sorted(parts)), gaps


def _told(item: Found, ranks: Mapping[str, int]) -> int | None:
    """What the user said, else distributedInfo, else the name."""
    said = rank_said(item.path, ranks)
    if said is not None:
        return said
    return item.peek.rank if item.peek.rank is not None else item.named_rank


def _no_trace(path: Path, ignored: list[tuple[Path, Peek]]) -> UnreadableTrace:
    empty = [file for file, seen in ignored if seen.is_empty]
    if len(ignored) == 1 and empty:
        return UnreadableTrace("the file is empty", where=str(empty[0]), hint="record again")
    told = told_apart(ignored[0][0]) if ignored else packed_in(path)
    if told is not None and len(ignored) <= 1:
        return told
    if ignored and not path.is_dir():
        return UnreadableTrace(
            "not a trace: no list `traceEvents`",
            where=str(path),
            hint="expected what torch.profiler's export_chrome_trace writes",
        )
    what = f"none of {len(ignored)} files is a trace" if ignored else "no trace in this folder"
    return UnreadableTrace(
        what,
        where=str(path),
        hint="expected rank*.json.gz, *.pt.trace.json, an nsys export (.sqlite) or a slim run",
    )


def _completed(info: RunInfo, found: list[Found]) -> RunInfo:
    """Facts of run.json, completed by what the files say where they agree."""
    sizes = {item.peek.world_size for item in found if item.peek.world_size is not None}
    return replace(
        info,
        source=info.source or Source.KINETO,
        world_size=info.world_size or (sizes.pop() if len(sizes) == 1 else None),
        groups=info.groups or _one_groups(found),
    )


def _one_groups(found: list[Found]) -> tuple[ProcessGroup, ...]:
    groups = {group for item in found for group in item.peek.groups}
    names = {group.name for group in groups}
    return tuple(sorted(groups, key=lambda group: group.name)) if len(names) == len(groups) else ()
