"""Recording under another launcher (torchrun, srun): this process is one rank, told by its environment."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.distributed as dist

from commscope.errors import RecordFailed
from commscope.record.handover.output import beside_the_old, finish_together, prepare_output
from commscope.record.handover.request import RecordRequest, validate
from commscope.record.rank.program import Program
from commscope.record.rank.session import Rank

_PATIENCE_S = 60.0
_LAUNCH_KEY = "commscope/launch"
_RANK = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
_WORLD_SIZE = ("WORLD_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
_LOCAL_RANK = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK")


def this_rank() -> Rank:
    """Where this process stands, as its process group tells, else torchrun, Slurm or MPI; alone else."""
    device = f"cuda:{_from_environment(_LOCAL_RANK, 0)}" if torch.cuda.is_available() else "cpu"
    if is_in_group():
        return Rank(dist.get_rank(), dist.get_world_size(), device)
    return Rank(_from_environment(_RANK, 0), _from_environment(_WORLD_SIZE, 1), device)


def is_in_group() -> bool:
    """Whether this process has joined the other ranks."""
    return dist.is_available() and dist.is_initialized()


def outer_request(
    output: Path, script: Sequence[str], *, steps: int, warmup: int, force: bool
) -> RecordRequest:
    """The request of a run whose ranks somebody else started; rank 0 makes its folder."""
    rank = this_rank()
    name = script[1] if script[0] == "-m" else Path(script[0]).name
    asked = RecordRequest(
        output.absolute(),
        name,
        tuple(script),
        nproc=rank.world_size,
        steps=steps,
        warmup=warmup,
        force=force,
        command=tuple(script),
    )
    validate(asked)
    request = beside_the_old(asked, is_alone=rank.world_size == 1)
    ready = request.work_folder / f"launch-{launch_name()}"
    if rank.rank == 0:
        prepare_output(request)
        ready.touch()
    _wait_for(ready)
    return request


def launch_name() -> str:
    """What all ranks of one launch, and no other launch, have in common."""
    if is_in_group():
        store = dist.distributed_c10d._get_default_store()
        with contextlib.suppress(RuntimeError, NotImplementedError):  # a store that cannot compare
            # the first to ask decides, so that nobody waits for a rank that is not recorded
            return str(store.compare_set(_LAUNCH_KEY, "", uuid.uuid4().hex).decode())
    names = ("TORCHELASTIC_RUN_ID", "SLURM_JOB_ID", "MASTER_PORT")
    return "-".join(os.environ[name] for name in names if name in os.environ) or str(os.getpid())


def _wait_for(ready: Path) -> None:
    """The other ranks wait for the folder rank 0 makes, which may replace an older one."""
    deadline = time.monotonic() + _PATIENCE_S
    while not ready.exists():
        if time.monotonic() > deadline:
            raise RecordFailed(
                "rank 0 made no run folder", where=str(ready.parent), hint="all nodes need one file system"
            )
        time.sleep(0.05)


@contextlib.contextmanager
def outer_session(request: RecordRequest) -> Iterator[Program]:
    """A session of this rank, whose facts and run.json are written at its end."""
    rank = this_rank()
    program = Program(request, rank)
    ended = False
    try:
        with program.session.open():
            yield program
        ended = True
    finally:
        program.leave_facts(complete=ended)
    program.require_trace()
    finish_together(request, rank.rank)


def _from_environment(names: Sequence[str], default: int) -> int:
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), default)
