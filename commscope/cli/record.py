"""`commscope record`: options into a RecordRequest; the rest is commscope.record's."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from commscope.cli.common import hint, shows_progress, tell
from commscope.cli.recordings import numbered
from commscope.errors import BackendProblem, UsageProblem
from commscope.trace import Layout, ModelShape

COUNT = click.IntRange(min=1)
WORKLOADS = ("gpt", "llama")
LAUNCHERS = ("torchrun", "accelerate", "deepspeed", "mpirun", "srun")
RECOMPUTE = ("none", "full", "full-nonreentrant", "full-no-early-stop", "selective")

MODEL_OPTIONS = (
    click.option("--layers", type=COUNT, default=2, show_default=True),
    click.option("--hidden", type=COUNT, default=256, show_default=True),
    click.option("--ffn", type=COUNT, help="Width of the MLP [default: 4 x hidden]."),
    click.option("--heads", type=COUNT, default=8, show_default=True),
    click.option("--kv-heads", type=COUNT, help="Key and value heads of llama [default: heads]."),
    click.option("--vocab", type=COUNT, default=1024, show_default=True),
    click.option("--seq", type=COUNT, default=128, show_default=True, help="Tokens of a sequence."),
    click.option("--batch", type=COUNT, default=4, show_default=True, help="Sequences of a microbatch."),
    click.option("--microbatches", type=COUNT, default=1, show_default=True),
    click.option(
        "--dtype",
        type=click.Choice(("float32", "bfloat16", "float16", "float64")),
        default="float32",
        show_default=True,
    ),
)
LAYOUT_OPTIONS = (
    click.option("--tp", type=COUNT, default=1, show_default=True, help="Tensor-parallel ranks."),
    click.option(
        "--sp", is_flag=True, help="Sequence parallelism, as Megatron does it: backward gathers again."
    ),
    click.option("--sp-keep-gathered", is_flag=True, help="Keep the gathered input instead (implies --sp)."),
    click.option("--dp", type=COUNT, default=1, show_default=True, help="Data-parallel ranks."),
    click.option("--dp-kind", type=click.Choice(("ddp", "zero1", "fsdp2")), default="ddp", show_default=True),
    click.option("--recompute", type=click.Choice(RECOMPUTE), default="none", show_default=True),
    click.option("--recompute-layers", type=COUNT, help="Only the first N layers."),
    click.option("--distribute-saved", is_flag=True, help="Megatron's distributed saved activations."),
    click.option(
        "--unfused", is_flag=True, help="One linear each for Q, K, V (and up, gate): a frequent mistake."
    ),
    click.option("--overlap", is_flag=True, help="Hide collectives behind GEMMs where the maths allows."),
    click.option("--impl", type=click.Choice(("explicit", "dtensor")), default="explicit", show_default=True),
)
RUN_OPTIONS = (
    click.option("--nproc", type=COUNT, help="Ranks on this node [default: tp x dp, or 1 for a script]."),
    click.option("--steps", type=COUNT, default=5, show_default=True, help="Steps to profile."),
    click.option(
        "--warmup",
        type=click.IntRange(min=0),
        default=3,
        show_default=True,
        help="Steps before, not profiled.",
    ),
    click.option("--backend", type=click.Choice(("auto", "gloo", "nccl")), default="auto", show_default=True),
    click.option(
        "--steps-by",
        default="optimizer",
        show_default=True,
        metavar="optimizer|call[=MODULE:CLASS.METHOD]|time",
        help="Where a step of a script ends: at its optimizer's step, after a call (of the outermost module, "
        "or of what is named), or every second.",
    ),
    click.option("--stop", is_flag=True, help="End a script once its steps are recorded."),
    click.option(
        "--timeout",
        "timeout_s",
        type=float,
        default=120.0,
        show_default=True,
        metavar="SECONDS",
        help="A rank that makes no step for so long hangs.",
    ),
    click.option("--threads", type=COUNT, default=1, show_default=True, help="OMP_NUM_THREADS of a rank."),
    click.option("--seed", type=int, default=1, show_default=True),
    click.option("--nnodes", type=COUNT, default=1, show_default=True, help="Nodes, each with a launcher."),
    click.option(
        "--node-rank", type=click.IntRange(min=0), default=0, show_default=True, help="Which node this is."
    ),
    click.option("--rdzv-endpoint", default="", metavar="HOST:PORT", help="Where node 0 can be reached."),
    click.option("--nsys", is_flag=True, help="Run each rank under nsys profile and export SQLite."),
    click.option(
        "--attach",
        default="",
        metavar="PID|FOLDER",
        help="Record --steps steps of a job that runs and listens (commscope.listen).",
    ),
    click.option("-m", "module", metavar="MODULE", help="Record python -m MODULE."),
    click.option(
        "-o", "--output", metavar="RUN", help="Run directory [default: runs/<workload>-<UTC time>]."
    ),
    click.option(
        "--repeat",
        type=COUNT,
        default=1,
        show_default=True,
        help="Record so many times, as RUN-1, RUN-2, ...; three can show a difference in time.",
    ),
    click.option("--force", is_flag=True, help="Replace an existing run directory."),
)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(LAYOUT_OPTIONS + MODEL_OPTIONS + RUN_OPTIONS):
        command = option(command)
    return command


class _Command(click.Command):
    """Says how a script's own options are told from ours, where they were not."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        scripts = [word for word in args if word.endswith(".py")]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if not scripts:
                raise
            raise UsageProblem(
                error.format_message(),
                hint=f"options of the script stand behind --: commscope record -- {scripts[0]} …",
            ) from error


@click.command("record", cls=_Command)
@click.argument("target", nargs=-1, type=click.UNPROCESSED)
@_options
def command(
    target: tuple[str, ...], module: str | None, output: str | None, repeat: int, **options: Any
) -> None:
    """Run N ranks under the profiler and write one trace a rank and run.json.

    TARGET is a built-in workload (gpt, llama) with the options below, or -- SCRIPT ARGS for any script.
    """
    script = ("-m", module, *target) if module else target
    if options["attach"]:
        if script:
            raise UsageProblem(
                "--attach records a job that runs", hint="leave out the script or the workload"
            )
        request = script_request(("job",), output, options)
    elif not module and target[:1] in [(name,) for name in WORKLOADS]:
        if target[1:]:
            raise UsageProblem(
                f"unexpected {' '.join(target[1:])}", hint=f"commscope record {target[0]} --help"
            )
        request = workload_request(target[0], output, options)
    elif script:
        request = script_request(script, output, options)
    else:
        raise UsageProblem("nothing to record", hint="commscope record gpt --tp 2, or -- train.py")
    for place in numbered(request.output, repeat):
        path = run_request(replace(request, output=place), options["attach"])
        if request.nodes.rank == 0:
            _tell_gaps(path)
    hint(f"commscope analyze {path}", f"commscope compare {request.output} OTHER_RUN")


def _tell_gaps(path: Path) -> None:
    from commscope.record.handover.manifest import serious_gaps

    for gap in serious_gaps(path):
        tell(f"note: {gap.message}")
        tell(f"hint: {gap.hint}")


def workload_request(workload: str, output: str | None, options: dict[str, Any]) -> Any:
    """A RecordRequest for a built-in workload."""
    layout = layout_of(options)
    nproc = options["nproc"] or layout.tp * layout.dp // options["nnodes"]
    return _request(
        output, options, workload=workload, nproc=nproc, layout=layout, model=model_of(workload, options)
    )


def script_request(script: tuple[str, ...], output: str | None, options: dict[str, Any]) -> Any:
    """A RecordRequest for a script or a module."""
    _refuse_launchers(script)
    name = script[1] if script[0] == "-m" else Path(script[0]).stem
    return _request(output, options, workload=name, script=script, nproc=options["nproc"] or 1)


def _refuse_launchers(script: tuple[str, ...]) -> None:
    """`-- python train.py` and `-- torchrun train.py` name what starts a script; ours starts it."""
    program = Path(script[0]).name
    if not (re.fullmatch(r"python[\d.]*", program) or program in LAUNCHERS):
        return
    scripts = [place for place, word in enumerate(script) if word.endswith(".py")]
    rest = shlex.join(script[scripts[0] :]) if scripts else "SCRIPT ARGS"
    ranks = "" if program.startswith("python") else "--nproc N "
    raise UsageProblem(
        f"{program} is no script: commscope starts the script itself",
        hint=f"commscope record {ranks}-- {rest}; under another launcher: python -m commscope.record SCRIPT",
    )


def run_request(request: Any, job: str = "") -> Path:
    """Record, with progress on stderr where that is a terminal; returns the run directory as it was named."""
    from commscope.record.handover.request import require_script, validate
    from commscope.record.launcher import attach, record

    validate(request)
    ranks = "1 rank" if request.world_size == 1 else f"{request.world_size} ranks"
    told = f"job {job}" if job else f"{request.workload} on {ranks}"
    start = partial(attach, job) if job else partial(record)
    if not job:
        require_script(request.script)
    if not shows_progress():
        tell(f"recording {told} -> {request.output}")
        start(request)
        return Path(request.output)
    from commscope.cli.shown.bar import step_line

    with step_line(f"record {told}") as show:
        start(request, lambda beat: show(beat.step, beat.steps, beat.time_ns, beat.loss))
    return Path(request.output)


def _request(output: str | None, options: dict[str, Any], **facts: Any) -> Any:
    try:
        import_module("torch")
        from commscope.record.handover.request import Nodes, RecordRequest
    except ImportError as error:
        raise BackendProblem(
            f"recording needs {error.name}", where=sys.prefix, hint="pip install torch nvtx"
        ) from error
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    plain = (
        "steps",
        "warmup",
        "backend",
        "steps_by",
        "timeout_s",
        "threads",
        "seed",
        "nsys",
        "force",
        "stop",
    )
    return RecordRequest(
        output=Path(output or f"runs/{facts['workload']}-{stamp}"),
        nodes=Nodes(options["nnodes"], options["node_rank"], options["rdzv_endpoint"]),
        command=("commscope", *map(shlex.quote, sys.argv[1:])),
        **{name: options[name] for name in plain},
        **facts,
    )


def layout_of(options: dict[str, Any]) -> Layout:
    """The layout that options of the command line name."""
    keep = options["sp_keep_gathered"]
    return Layout(
        tp=options["tp"],
        sp=options["sp"] or keep,
        sp_keep_gathered=keep,
        dp=options["dp"],
        dp_kind=options["dp_kind"] if options["dp"] > 1 else "none",
        recompute=options["recompute"],
        recompute_layers=options["recompute_layers"],
        distribute_saved=options["distribute_saved"],
        fused=not options["unfused"],
        overlap=options["overlap"],
        impl=options["impl"],
    )


def model_of(workload: str, options: dict[str, Any]) -> ModelShape:
    """The model that options of the command line name."""
    plain = ("layers", "hidden", "heads", "vocab", "seq", "batch", "microbatches", "dtype")
    return ModelShape(
        family=workload,
        ffn=options["ffn"] or 4 * options["hidden"],
        kv_heads=options["kv_heads"] or options["heads"],
        **{name: options[name] for name in plain},
    )
