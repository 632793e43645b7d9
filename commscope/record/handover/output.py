"""The run folder: made before the ranks start, finished after they ended; its run.json comes last."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from commscope.errors import RecordFailed, UsageProblem
from commscope.record.handover.facts import RankFacts, read_all_facts
from commscope.record.handover.manifest import write_manifest
from commscope.record.handover.request import MANIFEST, REQUEST, WORK_FOLDER, RecordRequest, encode
from commscope.whole import take_place, write_whole

LOCK = "lock"  # held while one of the ranks writes run.json
UNFINISHED = ".unfinished"  # ends the name of a recording that is to replace a run
_TRACES = ("rank*.json.gz", "rank*.sqlite", "rank*.nsys-rep")
_LOGS = ("logs/rank*.stdout.log", "logs/rank*.stderr.log")


def beside_the_old(request: RecordRequest, *, is_alone: bool) -> RecordRequest:
    """With force the run is recorded beside an earlier one, which stays as it is until the new one is whole.

    Where other launchers or ranks of this run decide the same, it lies beside in any case.
    """
    if not request.force or (is_alone and not request.output.exists()):
        return request
    beside = request.output.with_name(request.output.name + UNFINISHED)
    return replace(request, output=beside, replaces=request.output)


def prepare_output(request: RecordRequest) -> None:
    """Make the run folder.

    An existing one is refused without force, and with force only a run is replaced.
    """
    output = request.output
    try:
        if request.nodes.rank == 0:
            _require_replaceable(request)
            _clear(request)
        (request.work_folder / "logs").mkdir(parents=True, exist_ok=True)
        if request.nodes.rank > 0:
            _joining(request).touch()
        write_whole(request.work_folder / REQUEST, encode(request))
    except OSError as error:
        raise _unwritable(error, output) from error


def _unwritable(error: OSError, output: Path) -> UsageProblem:
    return UsageProblem(
        f"cannot write the run folder: {error.strerror}",
        where=str(output),
        hint="choose another with --output",
    )


def _joining(request: RecordRequest) -> Path:
    """Left by the other nodes of a launch, which may come before the first."""
    return request.work_folder / f"joining-{request.nodes.endpoint.replace('/', '_')}"


def _is_free(request: RecordRequest) -> bool:
    """Whether the folder is empty, or holds nothing but what another node of this launch put there."""
    output = request.output
    found = list(output.iterdir()) if output.is_dir() else [output]
    return not found or (found == [request.work_folder] and _joining(request).exists())


def _require_replaceable(request: RecordRequest) -> None:
    """Raise UsageProblem where the run, or what it is recorded into, would replace something else."""
    for folder in dict.fromkeys((request.place, request.output)):
        if not folder.exists() or (folder == request.output and _is_free(request)):
            continue
        if not request.force:
            raise UsageProblem(
                "the output exists", where=str(folder), hint="--force replaces it, --output chooses another"
            )
        if not _is_recorded(folder):
            raise UsageProblem(
                "the output exists and is no recorded run",
                where=str(folder),
                hint="choose another with --output",
            )


def _is_recorded(folder: Path) -> bool:
    return folder.is_dir() and any(_is_of_run(PurePath(path.name)) for path in folder.iterdir())


def _is_of_run(path: PurePath) -> bool:
    """Whether a path inside a run folder is one that a recording, or slim, writes."""
    names = (MANIFEST, "rank*.parquet", *_TRACES, *_LOGS)
    return path.parts[0] == WORK_FOLDER or any(fnmatchcase(str(path), name) for name in names)


def _clear(request: RecordRequest) -> None:
    """Make room for what is recorded beside an earlier run: what an attempt before left there goes."""
    output = request.output
    if request.replaces is None or not output.exists() or _is_free(request):
        return
    for path in [file for name in (MANIFEST, *_TRACES, *_LOGS) for file in output.glob(name)]:
        path.unlink()
    if not _joining(request).exists():
        shutil.rmtree(request.work_folder, ignore_errors=True)


def finish(request: RecordRequest) -> None:
    """Write run.json from the facts the ranks left, and drop the work folder."""
    facts = read_all_facts(request.work_folder)
    suffix = "sqlite" if request.nsys else "json.gz"
    missing = [
        rank for rank in range(request.world_size) if not (request.output / f"rank{rank}.{suffix}").exists()
    ]
    if request.nodes.count == 1 and missing:
        raise RecordFailed(
            f"no trace of rank {missing[0]}", where=str(request.output), hint="see its log there"
        )
    try:
        if request.script:
            _keep_logs(request)
        _make_whole(request, facts)
    except OSError as error:
        raise _unwritable(error, request.output) from error


def finish_together(request: RecordRequest, rank: int, patience_s: float = 60.0) -> None:
    """Under another launcher: rank 0 waits for the facts of all ranks and writes run.json."""
    if rank != 0:
        return
    deadline = time.monotonic() + patience_s
    while len(read_all_facts(request.work_folder)) < request.world_size:
        if time.monotonic() > deadline:
            found = [replace(facts, complete=False) for facts in read_all_facts(request.work_folder)]
            write_manifest(request, found)
            raise RecordFailed(
                f"not every rank left its facts within {patience_s:g} s",
                where=str(request.output),
                hint="all nodes need one file system; the run is marked incomplete",
            )
        time.sleep(0.1)
    finish(request)


def finish_as_far(request: RecordRequest) -> None:
    """Write run.json from the facts that are there, waiting for no rank; the last rank makes it whole.

    Call in every rank once its trace and its facts are left.
    """
    try:
        with (request.work_folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            facts = read_all_facts(request.work_folder)
            if len(facts) == request.world_size:
                _make_whole(request, facts)
            elif request.work_folder.exists():
                write_manifest(request, facts)
    except FileNotFoundError:
        return  # another rank came last, and dropped the work folder
    except OSError as error:
        raise _unwritable(error, request.output) from error


def _make_whole(request: RecordRequest, facts: Sequence[RankFacts]) -> None:
    write_manifest(request, facts)
    shutil.rmtree(request.work_folder, ignore_errors=True)
    if request.replaces is not None:
        take_place(request.output, request.replaces, _is_of_run)


def _keep_logs(request: RecordRequest) -> None:
    """What the ranks of a script said stays beside their traces."""
    for log in request.work_folder.glob("logs/*/attempt_*/*/std*.log"):
        if log.stat().st_size:
            folder = request.output / "logs"
            folder.mkdir(exist_ok=True)
            rank = request.nodes.rank * request.nproc + int(log.parent.name)
            shutil.copyfile(log, folder / f"rank{rank}.{log.stem}.log")
