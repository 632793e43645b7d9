"""What is asked of a recording, as plain values that travel to the ranks as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from commscope.errors import UsageProblem
from commscope.layouts import check_layout
from commscope.trace import Layout, ModelShape

T = TypeVar("T")
WORK_FOLDER = ".commscope"  # facts, logs and heartbeats of the ranks while recording
REQUEST = "request.json"  # there too: what the ranks are asked
MANIFEST = "run.json"
LAUNCHER = "COMMSCOPE_LAUNCHER"  # in the environment of a rank: the process it ends with

BY_OPTIMIZER, BY_CALL, BY_TIME = "optimizer", "call", "time"


@dataclass(frozen=True, slots=True)
class Nodes:
    """Several launchers that together form one run."""

    count: int = 1
    rank: int = 0
    endpoint: str = ""  # host:port of the rendezvous; empty: a free port of this machine


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """One recording: a built-in workload with its layout and model, or any script."""

    output: Path
    workload: str = "gpt"  # gpt | llama, or the script's name
    script: tuple[str, ...] = ()  # script and arguments, or ("-m", "module", arguments...)
    layout: Layout = field(default_factory=Layout)
    model: ModelShape | None = None
    nproc: int = 1  # ranks on this node
    steps: int = 3
    warmup: int = 2
    backend: str = "auto"  # auto | gloo | nccl
    timeout_s: float = 120.0  # a step, or a collective, that takes longer hangs
    force: bool = False
    seed: int = 1
    entry: str = "commscope_workloads.train:main"  # module:function that runs a built-in workload
    nodes: Nodes = field(default_factory=Nodes)
    steps_by: str = BY_OPTIMIZER  # or BY_CALL, BY_CALL=what, BY_TIME; for scripts
    stop: bool = False  # end a script once its steps are recorded
    threads: int = 1  # OMP_NUM_THREADS of a rank
    nsys: bool = False
    command: tuple[str, ...] = ()  # as the user typed it
    replaces: Path | None = None  # the run whose place the output takes once it is whole

    @property
    def world_size(self) -> int:
        """Ranks over all nodes."""
        return self.nproc * self.nodes.count

    @property
    def place(self) -> Path:
        """Where the run lies in the end."""
        return self.replaces or self.output

    @property
    def work_folder(self) -> Path:
        """Where the ranks leave what the manifest is made of."""
        return self.output / WORK_FOLDER


def encode(value: Any) -> bytes:
    """A value of dataclasses and paths as JSON."""
    return msgspec.json.encode(value, enc_hook=_plain)


def decode_request(data: bytes) -> RecordRequest:
    """The request a launcher wrote for its ranks."""
    return decode_as(RecordRequest, data)


def decode_as(kind: type[T], data: bytes) -> T:
    """A value that `encode` wrote. Raises msgspec.DecodeError for anything else."""
    return msgspec.json.decode(data, type=kind, dec_hook=_typed)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"no JSON for {type(value).__name__}")


def _typed(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(f"no {kind.__name__} in JSON")


def validate(request: RecordRequest) -> None:
    """Raise UsageProblem where the request makes no sense, before any process starts."""
    for name, value in (
        ("--steps", request.steps),
        ("--nproc", request.nproc),
        ("--nnodes", request.nodes.count),
    ):
        if value < 1:
            raise UsageProblem(f"{name} is {value}", hint="at least 1")
    if request.warmup < 0:
        raise UsageProblem(f"--warmup is {request.warmup}", hint="0 or more")
    if request.timeout_s <= 0:
        raise UsageProblem(f"--timeout is {request.timeout_s:g} s", hint="more than 0")
    how, _, what = request.steps_by.partition("=")
    if how not in (BY_OPTIMIZER, BY_CALL, BY_TIME) or (what and how != BY_CALL):
        hint = "optimizer, call, call=PACKAGE.MODULE:CLASS.METHOD or time"
        raise UsageProblem(f"--steps-by {request.steps_by} is unknown", hint=hint)
    if not request.script:
        _validate_layout(request)


def require_script(script: Sequence[str]) -> None:
    """Raise UsageProblem for a script or a module that no rank would find."""
    if not script:
        return
    if script[0] != "-m":
        if not Path(script[0]).exists():
            hint = "a built-in workload is gpt or llama; a module is -m MODULE"
            raise UsageProblem("there is no such script", where=script[0], hint=hint)
        return
    package = script[1].partition(".")[0]
    here = PathFinder.find_spec(package, [str(Path.cwd())])
    if here is None and find_spec(package) is None:
        raise UsageProblem(
            f"no module named {package}", where=f"-m {script[1]}", hint="is it installed here?"
        )


def _validate_layout(request: RecordRequest) -> None:
    layout, model = request.layout, request.model
    if model is None:
        raise UsageProblem(f"the workload {request.workload} needs a model")
    if layout.impl == "dtensor":
        _validate_dtensor(layout, model)
    ranks = layout.tp * layout.dp
    if layout.pp * layout.cp * layout.ep != 1:
        raise UsageProblem("the built-in workloads have no pp, cp or ep", hint="use --tp, --sp and --dp")
    if ranks != request.world_size:
        raise UsageProblem(
            f"tp {layout.tp} x dp {layout.dp} needs {ranks} ranks, not {request.world_size}",
            hint=f"--nproc {ranks // request.nodes.count}",
        )
    check_layout(layout, model)


def _validate_dtensor(layout: Layout, model: ModelShape) -> None:
    plain = {
        "--dp": layout.dp == 1,
        "--overlap": not layout.overlap,
        "--distribute-saved": not layout.distribute_saved,
        "--kv-heads below --tp": model.kv_heads >= layout.tp,
    }
    for name, is_plain in plain.items():
        if not is_plain:
            raise UsageProblem(f"{name} has no plan with --impl dtensor", hint="--impl explicit has one")
