"""Record a run: RecordRequest -> a run folder with one trace a rank and, last, run.json.

Starts the ranks of this node by torch's own elastic launcher, in this process; every rank is a process group
of its own that is ended within seconds when one of them fails, when a step takes too long, or when this
process is told to end.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from commscope.errors import BackendProblem, CommScopeError, RecordFailed, UsageProblem
from commscope.record.handover.facts import Beat, RankError, read_all_errors, read_all_facts, read_pids
from commscope.record.handover.manifest import write_manifest
from commscope.record.handover.output import beside_the_old, finish, prepare_output
from commscope.record.handover.request import (
    LAUNCHER,
    REQUEST,
    Nodes,
    RecordRequest,
    require_script,
    validate,
)
from commscope.record.launcher.addresses import interface_to_name, own_address, split
from commscope.record.launcher.failures import diagnose
from commscope.record.launcher.watch import Hang, Watch
from commscope.record.marks.nsys import nsys_command, require_nsys

GRACE_S = 5  # between asking a rank to end and ending it
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_QUIET_KINETO = "6"  # above all of its levels; with a GPU its errors may matter
JOIN_S = 300  # for all launchers of a run to meet

OnProgress = Callable[[Beat], None]


def record(request: RecordRequest, on_progress: OnProgress | None = None) -> Path:
    """Record a run and give its folder.

    Raises UsageProblem, BackendProblem, RecordFailed or KeyboardInterrupt.
    """
    request = replace(request, output=request.output.absolute())
    validate(request)
    require_script(request.script)
    request = beside_the_old(request, is_alone=request.nodes.count == 1)
    run_ranks(request, on_progress)
    if request.nodes.rank == 0:
        finish(request)
    return request.place


def run_ranks(request: RecordRequest, on_progress: OnProgress | None = None) -> None:
    """Run the entry function on every rank of this node; what the ranks left lies in the work folder."""
    _require_torch()
    _require_devices(request)
    _require_port(request.nodes)
    prepare_output(request)
    watch = Watch(request, on_progress)
    with warnings.catch_warnings():
        # Torch's launcher leaves its log files to the garbage collector, which would warn of them later.
        warnings.simplefilter("ignore", ResourceWarning)
        ended = _attempt(request, watch)
        gc.collect()
    if ended is not None or watch.hung:
        end_left_over(request.work_folder)
        raise _failure(request, ended, watch.hung)


def end_left_over(folder: Path) -> None:
    """End what the ranks of a failed run started and left behind: each leads a process group of its own."""
    for pid in read_pids(folder):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _attempt(request: RecordRequest, watch: Watch) -> BaseException | None:
    """Launch, and give what ended the launch before its time, without the launcher's frames."""
    try:
        with _own_signals(), watch:
            _launch(request)
    except BaseException as error:  # noqa: BLE001 - torch's launcher raises its signals outside Exception
        return error.with_traceback(None)
    return None


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Torch's launcher never puts back the handlers it replaces."""
    saved = {number: signal.getsignal(number) for number in _HANDLED}
    try:
        yield
    finally:
        for number, handler in saved.items():
            with contextlib.suppress(ValueError, TypeError):  # no main thread, or a handler of C code
                signal.signal(number, handler)


def _launch(request: RecordRequest) -> None:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(request.threads))
    os.environ.setdefault(
        "PYTHONUNBUFFERED", "1"
    )  # what a rank prints is seen when it does, as on a terminal
    os.environ[LAUNCHER] = "" if request.nsys else str(os.getpid())  # nsys stands between us and a rank
    if not _gpus():
        os.environ.setdefault("KINETO_LOG_LEVEL", _QUIET_KINETO)  # it tells every start and stop on stderr
    quiet_elastic()
    endpoint = request.nodes.endpoint
    address = own_address(endpoint) if endpoint else "localhost"
    interface = interface_to_name(address) if endpoint else ""
    if interface:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    config = LaunchConfig(
        min_nodes=request.nodes.count,
        max_nodes=request.nodes.count,
        nproc_per_node=request.nproc,
        run_id=endpoint or uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint or "localhost:0",
        rdzv_configs={"timeout": JOIN_S, "join_timeout": JOIN_S, "is_host": request.nodes.rank == 0},
        max_restarts=0,
        monitor_interval=0.1,
        local_addr=address,
        logs_specs=DefaultLogsSpecs(
            log_dir=str(request.work_folder / "logs"), redirects=Std.ALL, tee=_shown(request)
        ),
        log_line_prefix_template="rank ${rank}: ",
        signals_to_handle=",".join(number.name for number in _HANDLED),
        shutdown_timeout=GRACE_S,
    )
    interpreter = nsys_command(request, has_gpu=_gpus() > 0) if request.nsys else [sys.executable]
    arguments = [*interpreter[1:], "-m", "commscope.record.started", str(request.work_folder / REQUEST)]
    elastic_launch(config, interpreter[0])(*arguments)


def _shown(request: RecordRequest) -> dict[int, Any]:
    """What a script's rank 0 prints is on the screen while it runs; all ranks' lines are in the logs."""
    from torch.distributed.elastic.multiprocessing import Std

    return {0: Std.ALL} if request.script and request.nodes.rank == 0 else {}


def quiet_elastic() -> None:
    """Keep torch's launcher from telling in tracebacks what the error of ours tells in three lines."""
    import logging

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    logging.getLogger("torch.distributed.launcher").setLevel(logging.CRITICAL)


def _failure(request: RecordRequest, error: BaseException | None, hung: Hang | None) -> BaseException:
    """The error the user sees; what the ranks saved stays, marked incomplete."""
    errors = read_all_errors(request.work_folder)
    left = _mark_incomplete(request, errors)
    signal_number = int(getattr(error, "sigval", 0) or 0)
    if isinstance(error, KeyboardInterrupt) or signal_number == signal.SIGINT:
        return KeyboardInterrupt()
    if signal_number:
        name = signal.Signals(signal_number).name
        stopped = RecordFailed(f"stopped by {name}", where=str(request.output), hint=left)
        stopped.exit_code = 128 + signal_number
        return stopped
    told = error if isinstance(error, CommScopeError) else diagnose(request, error, errors, hung)
    told.hint = "; ".join(part for part in (told.hint, left) if part)
    return told


def _mark_incomplete(request: RecordRequest, errors: Sequence[RankError]) -> str:
    """Write what is known of a run that failed, traces or none, so that nobody takes it for a whole one.

    Gives what was left, in words.
    """
    kept = f"; the earlier run in {request.replaces} is as it was" if request.replaces else ""
    if request.nodes.rank > 0:
        return f"the first node tells what became of the run{kept}"
    found = [replace(facts, complete=False) for facts in read_all_facts(request.work_folder)]
    try:
        write_manifest(request, found, errors)
    except OSError as error:
        return f"run.json could not be written: {error.strerror}{kept}"
    return f"the run is marked incomplete{kept}"


def _require_torch() -> None:
    try:
        import torch.distributed as dist
    except ImportError as error:
        raise BackendProblem("recording needs torch", hint="pip install torch nvtx") from error
    if not dist.is_available():
        raise BackendProblem(
            "this torch was built without torch.distributed", hint="install another build of torch"
        )


def _require_devices(request: RecordRequest) -> None:
    """Refuse what every rank would refuse, before any rank starts."""
    if request.backend not in ("auto", "gloo", "nccl"):
        raise UsageProblem(f"--backend {request.backend} is unknown", hint="auto, gloo or nccl")
    if request.nsys:
        require_nsys()
    gpus = _gpus()
    if request.backend == "nccl" and gpus < request.nproc:
        raise BackendProblem(
            f"nccl needs a GPU for each of {request.nproc} ranks, found {gpus}",
            hint="--backend gloo runs on the CPU; or fewer ranks",
        )


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _require_port(nodes: Nodes) -> None:
    """The first node hosts the rendezvous; torch would wait for ever on a port that speaks something else."""
    if not nodes.endpoint:
        return
    own_address(nodes.endpoint)
    if nodes.rank != 0:
        return
    host, port = split(nodes.endpoint)
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise BackendProblem(
            f"cannot host the rendezvous: {error.strerror}",
            where=nodes.endpoint,
            hint="choose a free port of this node in --rdzv-endpoint",
        ) from error
