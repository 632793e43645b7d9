"""Slim runs.

Takes a Run, gives a folder of small Parquet files and run.json that fits into a repository; and reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np

from commscope.errors import UnreadableTrace, UsageProblem
from commscope.readers.files.claims import believed
from commscope.readers.runs.discover import bare_info, rank_said, rank_twice, trace_files
from commscope.readers.runs.manifest import MANIFEST, read_manifest, sealed_manifest
from commscope.readers.slim.cache import Read, content_key
from commscope.readers.slim.parquet_file import MAGIC, read_beside, read_trace, write_trace
from commscope.schema import NO_VALUE, EventKind, Source
from commscope.trace import Gap, RankPart, RankTrace, Run, RunInfo, SyncFacts
from commscope.whole import overlaps, replace_whole

NAME = "columnar"
SMALLEST = 19
MODULE_FRAME = "nn.Module: "
_OURS = re.compile(r"rank\d+\.parquet")


def sniff(path: Path, head: bytes) -> bool:
    """Whether a file is Parquet; whether it is ours shows when it is opened."""
    del path
    return head.startswith(MAGIC)


def read(part: RankPart, info: RunInfo) -> RankTrace:
    """One rank's trace. Raises UnreadableTrace where the file is damaged."""
    del info
    trace, _ = read_trace(part.path)
    return replace(trace, rank=part.rank)


def columnar_run(path: Path, files: list[Path], ranks: Mapping[str, int]) -> Run:
    """A slim run: every file knows its rank."""
    info, gaps = read_manifest(path) if path.is_dir() else (bare_info(path, Source.COLUMNAR), ())
    parts: dict[int, RankPart] = {}
    sizes, backends = set(), set()
    for file in files:
        beside = read_beside(file)
        said = rank_said(file, ranks)
        rank = beside.rank if said is None else said
        if rank in parts:
            raise rank_twice(rank, parts[rank].path, file, path)
        parts[rank] = RankPart(rank, file, NAME)
        sizes.add(believed(beside.world_size))
        backends.add(beside.backend)
    info = replace(
        info,
        source=Source.COLUMNAR,
        world_size=info.world_size or (sizes.pop() if len(sizes) == 1 else None),
        backend=info.backend or (backends.pop() if len(backends) == 1 else None),
    )
    return Run(info, tuple(parts[rank] for rank in sorted(parts)), gaps)


def slim(run: Run, out: Path, read_part: Read, *, replace_run: bool = False) -> tuple[Path, ...]:
    """Write a run in its small form, whole or not at all; gives the files written, run.json last.

    Python frames are left out but for those of modules, which tell layers. Raises UsageProblem where `out`
    already holds something, unless it is a slim run to replace, and where it holds the run itself;
    UnreadableTrace where a damaged run would replace a slim one.
    """
    if any(overlaps(path, out) for path in (*(part.path for part in run.parts), run.info.path)):
        raise UsageProblem(
            "the output is the run itself, or holds it", where=str(out), hint="name another folder"
        )
    is_taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if is_taken and not replace_run:
        raise UsageProblem(
            "the output is already there", where=str(out), hint="name a new folder, or use --force"
        )
    if is_taken and not _is_slim_run(out):
        raise UsageProblem(
            "the output is no slim run", where=str(out), hint="--force replaces slim runs only"
        )

    def make(folder: Path) -> list[str]:
        names = []
        for part in run.parts:
            trace = read_part(part, run.info)
            if is_taken:
                _require_undamaged((*run.gaps, *trace.gaps), part, out)
            names.append(f"rank{part.rank}.parquet")
            write_trace(without_python(trace), folder / names[-1], content=content_key(part), level=SMALLEST)
        (folder / MANIFEST).write_bytes(sealed_manifest(run.info))
        return [*names, MANIFEST]

    try:
        return tuple(out / name for name in replace_whole(out, make, _is_of_slim_run))
    except OSError as error:
        raise UnreadableTrace(
            f"cannot write: {error.strerror}",
            where=str(out),
            hint="check the folder and the space on the disk",
        ) from error


def _is_of_slim_run(path: PurePath) -> bool:
    return str(path) == MANIFEST or _OURS.fullmatch(str(path)) is not None


def _is_slim_run(folder: Path) -> bool:
    """Whether a folder holds a slim run and no other traces."""
    if not folder.is_dir() or not (folder / MANIFEST).is_file():
        return False
    traces = trace_files(folder)
    return bool(traces) and all(_OURS.fullmatch(file.name) for file in traces)


def _require_undamaged(gaps: Iterable[Gap], part: RankPart, out: Path) -> None:
    lost = next((gap for gap in gaps if gap.is_damage), None)
    if lost is not None:
        raise UnreadableTrace(
            f"a damaged run would replace a slim one: {lost.message}",
            where=f"{part.path} -> {out}",
            hint="name a new folder for it; what is there was left as it was",
        )


def without_python(trace: RankTrace) -> RankTrace:
    """The same trace with no Python frames but modules, and no names and lanes that nothing uses any more."""
    events = trace.events
    modules = np.array([name.startswith(MODULE_FRAME) for name in events.names], dtype=bool)
    keep = ~events.is_kind(EventKind.PYTHON)
    if not keep.all():
        keep |= modules[events.name_id]
    if keep.all():
        return trace
    place_of = np.cumsum(keep) - 1
    used_names, name_id = np.unique(events.name_id[keep], return_inverse=True)
    used_lanes, lane_id = np.unique(events.lane_id[keep], return_inverse=True)
    columns = ("start_ns", "end_ns", "kind", "correlation", "external_id", "sequence", "forward_thread")
    kept = replace(
        events,
        name_id=name_id.astype(np.int32),
        lane_id=lane_id.astype(np.int32),
        names=tuple(events.names[name] for name in used_names.tolist()),
        lanes=tuple(events.lanes[lane] for lane in used_lanes.tolist()),
        **{name: getattr(events, name)[keep] for name in (*columns, "size_bytes", "comm_id")},
    )
    syncs = tuple(
        SyncFacts(int(place_of[sync.event]), sync.stream, sync.wait_on_stream, sync.wait_on_correlation)
        for sync in trace.syncs
        if sync.event != NO_VALUE and keep[sync.event]
    )
    return replace(trace, events=kept, syncs=syncs)
