"""What ended a recording: errors of ranks and launcher -> one CommScopeError naming the culprit."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from commscope.errors import BackendProblem, CommScopeError, RecordFailed
from commscope.record.handover.facts import RankError
from commscope.record.handover.request import RecordRequest
from commscope.record.handover.stacks import Standing, read_stacks
from commscope.record.launcher.watch import Hang

_PEER_SIGNS = (
    "connection closed by peer",
    "connection reset",
    "timed out waiting",
    "timeout",
    "socket",
    "gloo",
)
LONGEST_WORDS = 300
_TIMEOUT_SIGNS = ("timed out", "timeout")


def diagnose(
    request: RecordRequest, error: BaseException | None, errors: Sequence[RankError], hung: Hang | None
) -> CommScopeError:
    """The error to raise for what the launcher raised, or for a hang after which all ranks ended well.

    A rank that dies takes its peers with it, so the peers' errors come second: first a rank that ended
    without a word, then one that raised outside a collective, then the earliest.
    """
    logs = str(request.work_folder / "logs")
    codes = _exit_codes(error)
    if codes is None and type(error).__name__.startswith("Rendezvous"):
        nodes = request.nodes
        return BackendProblem(
            f"the {nodes.count} nodes did not meet: {_first_line(error)}",
            where=f"node {nodes.rank}, --rdzv-endpoint {nodes.endpoint}",
            hint="is every node's command started, and does the first node's address answer from here?",
        )
    if codes is None and hung is None:
        return BackendProblem(
            f"the ranks could not be started: {_first_line(error)}",
            where=logs,
            hint="--debug shows the traceback",
        )
    timed_out = [told for told in errors if told.in_collective and _has(told, _TIMEOUT_SIGNS)]
    if codes is None or hung or timed_out:
        return _hanging(request, errors, codes or {}, hung)
    silent = [rank for rank in codes if rank not in {told.rank for told in errors} and codes[rank] != 0]
    silent = [rank for rank in silent if codes[rank] != -signal.SIGTERM] or silent
    culprits = [told for told in errors if told.kind != "Terminated" and not _blames_a_peer(told)]
    if culprits:
        return _told_failure(culprits[0], logs)
    if silent:
        rank = silent[0]
        return _failed(
            f"rank {rank} {_ended(codes[rank])}", last_words(request, rank), _shell_code(codes[rank]), logs
        )
    return _told_failure(errors[0], logs)


def _told_failure(told: RankError, logs: str) -> CommScopeError:
    """A rank's own word; an error of ours keeps its hint."""
    if told.hint:
        failed = RecordFailed(f"rank {told.rank}: {told.message}", where=logs, hint=told.hint)
        failed.exit_code = told.exit_code
        return failed
    return _failed(f"rank {told.rank} failed: {_said(told)}", told.place or logs, told.exit_code, logs)


def _hanging(
    request: RecordRequest, errors: Sequence[RankError], codes: dict[int, int], hung: Hang | None
) -> CommScopeError:
    """The rank that hangs is the one that does not wait for the others."""
    told = {row.rank: Standing(row.rank, row.place, row.in_collective) for row in errors}
    known = {**told, **{row.rank: row for row in read_stacks(request.work_folder)}}
    ranks = range(request.world_size) if request.nodes.count == 1 else sorted(set(told) | set(codes))
    ended = hung.ended if hung else frozenset()
    silent = [rank for rank in ranks if rank not in known and rank not in ended]
    elsewhere = sorted(
        (row for row in known.values() if not row.in_collective), key=lambda row: row.in_library
    )
    logs = str(request.work_folder / "logs")
    what = hung.what if hung else f"a collective took longer than {request.timeout_s:g} s"
    if elsewhere:
        rank = elsewhere[0].rank
        return _failed(f"rank {rank} hangs: {what}", elsewhere[0].place or last_words(request, rank), 1, logs)
    if silent:
        said = last_words(request, silent[0])
        return _failed(f"rank {silent[0]} hangs and does not answer: {what}", said, 1, logs)
    return _failed(f"all ranks hang in a collective: {what}", errors[0].place if errors else logs, 1, logs)


def last_words(request: RecordRequest, rank: int) -> str:
    """The log of a rank of this node and the line it ends with; the folder of logs where it said nothing."""
    folder = request.work_folder / "logs"
    if request.nodes.count > 1:  # every node calls its ranks 0, 1, ... there
        return str(folder)
    for name in ("stderr.log", "stdout.log"):
        for log in sorted(folder.glob(f"*/attempt_*/{rank}/{name}"), reverse=True):
            lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
            said = [line.strip() for line in lines if line.strip()]
            if said:
                return f"{log}, which ends: {said[-1][:LONGEST_WORDS]}"
    return str(folder)


def _exit_codes(error: BaseException | None) -> dict[int, int] | None:
    """Exit code of each failed rank, as the launcher saw them; None when no rank was started."""
    failures = getattr(error, "failures", None)
    if not failures:
        return None
    return {int(rank): int(failure.exitcode) for rank, failure in failures.items()}


def _failed(what: str, where: str, exit_code: int, logs: str) -> RecordFailed:
    hint = f"logs of the ranks are in {logs}"
    failed = RecordFailed(what, where=where, hint=hint + shared_memory_problem())
    failed.exit_code = exit_code or 1
    return failed


def shared_memory_problem(path: Path = Path("/dev/shm")) -> str:
    """What is wrong with shared memory, for the end of a hint; nothing where all is well."""
    if not os.access(path, os.W_OK):
        state = "is not writable"
    elif os.statvfs(path).f_bavail == 0:
        state = "is full"
    else:
        return ""
    return f"; {path} {state}, which workers of a DataLoader and NCCL need"


def _said(told: RankError) -> str:
    return f"{told.kind}: {told.message}" if told.message else told.kind


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"


def _shell_code(code: int) -> int:
    return 128 - code if code < 0 else code


def _blames_a_peer(told: RankError) -> bool:
    return told.in_collective and _has(told, _PEER_SIGNS)


def _has(told: RankError, signs: Sequence[str]) -> bool:
    text = told.message.lower()
    return any(sign in text for sign in signs)


def _first_line(error: BaseException | None) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
