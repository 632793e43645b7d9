"""One rank: request.json -> the workload or script under the profiler.

Started by the launcher, never by hand.
"""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import FrameType

import torch
import torch.distributed as dist

from commscope.errors import BackendProblem, CommScopeError
from commscope.record.handover.facts import RankError, error_path, write_facts, write_pid
from commscope.record.handover.request import RecordRequest, decode_request, encode
from commscope.record.handover.stacks import LIBRARY_FOLDERS, write_stack_on_signal
from commscope.record.handover.step_plan import Plan
from commscope.record.marks.ledger import Ledger, Marks
from commscope.record.marks.ranges import open_timelines
from commscope.record.rank.collect import collect_facts
from commscope.record.rank.context import RankContext
from commscope.record.rank.ending import Ending
from commscope.record.rank.script import run_script
from commscope.record.rank.session import Rank, Session
from commscope.whole import write_whole


class Terminated(BaseException):
    """The launcher, or a scheduler, asked this rank to end."""


def main(argv: list[str], ending: Ending) -> int:
    """Run this rank; its error, if any, is left in the work folder before the process ends."""
    request = decode_request(Path(argv[1]).read_bytes())
    rank = Rank(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # a line is on the screen when it is printed, as always
    try:
        write_stack_on_signal(request.work_folder, rank.rank)
        write_pid(request.work_folder, rank.rank)
        run_rank(request, rank, ending)
    except SystemExit as ended:
        code = exit_code(ended)
        if code:
            leave_error(request, rank.rank, ended, code)
        return code
    except BaseException as error:  # noqa: BLE001 - whatever ended the rank is told to the launcher
        leave_error(request, rank.rank, error, 1)
        if not isinstance(error, (CommScopeError, Terminated)):
            traceback.print_exc()
        return 143 if isinstance(error, Terminated) else 1
    return 0


def run_rank(request: RecordRequest, rank: Rank, ending: Ending) -> None:
    """Run the script or the entry function of the workload; leave the facts."""
    if request.script:
        run_script(request, rank, ending)
        return
    rank = open_process_group(request, rank)
    plan = Plan(request.warmup, request.steps, request.steps)
    session = Session(request, rank, Marks(open_timelines(), Ledger()), plan)
    complete = False
    try:
        resolve(request.entry)(RankContext(request, session))
        complete = True
    finally:
        write_facts(request.work_folder, collect_facts(session, complete=complete))
    dist.destroy_process_group()


def open_process_group(request: RecordRequest, rank: Rank) -> Rank:
    """Join the default process group on the backend asked for."""
    backend = choose_backend(request)
    if backend == "nccl":
        local = int(os.environ["LOCAL_RANK"])
        torch.cuda.set_device(local)
        rank = Rank(rank.rank, rank.world_size, f"cuda:{local}")
    dist.init_process_group(backend, timeout=timedelta(seconds=request.timeout_s))
    return rank


def choose_backend(request: RecordRequest) -> str:
    """NCCL where every rank of this node has a GPU of its own, else gloo. Raises BackendProblem."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if request.backend == "auto":
        return "nccl" if gpus >= request.nproc and dist.is_nccl_available() else "gloo"
    if request.backend == "nccl" and gpus < request.nproc:
        raise BackendProblem(
            f"nccl needs a GPU for each of {request.nproc} ranks, found {gpus}",
            hint="--backend gloo runs on the CPU; or fewer ranks",
        )
    return request.backend


def resolve(entry: str) -> Callable[[RankContext], None]:
    """The function that `module:function` names."""
    module, _, name = entry.partition(":")
    function: Callable[[RankContext], None] = getattr(importlib.import_module(module), name)
    return function


def leave_error(request: RecordRequest, rank: int, error: BaseException, code: int) -> None:
    """Tell the launcher how this rank ended."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not any(part in frame.filename for part in LIBRARY_FOLDERS)]
    told = own or [frame for frame in frames if not frame.filename.startswith("<")]
    last = told[-1] if told else None
    message = error.what if isinstance(error, CommScopeError) else str(error)
    row = RankError(
        rank=rank,
        kind=type(error).__name__,
        message=message.strip().splitlines()[0] if message.strip() else "",
        place="" if last is None else f"{last.filename}:{last.lineno} in {last.name}",
        in_collective=any("distributed_c10d" in frame.filename for frame in frames),
        time_ns=time.time_ns(),
        exit_code=code,
        hint=error.hint if isinstance(error, CommScopeError) else "",
    )
    try:
        write_whole(error_path(request.work_folder, rank), encode(row))
    except OSError:
        sys.stderr.write(f"{error}\n")  # the disk is full: what the log still takes is shown instead


def exit_code(ended: SystemExit) -> int:
    """The code a SystemExit stands for."""
    if ended.code is None:
        return 0
    return ended.code if isinstance(ended.code, int) else 1


def _terminate(number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated(f"signal {signal.Signals(number).name}")


if __name__ == "__main__":
    ending = Ending()
    code = main(sys.argv, ending)
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        os._exit(code)  # a failed rank may hang in the teardown of its process group
    ending.code = code
