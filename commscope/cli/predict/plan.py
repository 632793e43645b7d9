"""`commscope plan`: what a layout costs, by closed forms, before the node is rented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from commscope.cli.common import emit, hint, output_options
from commscope.cli.predict.machine import COUNT, GPU_OPTIONS, gpu_of
from commscope.cli.record import LAYOUT_OPTIONS, MODEL_OPTIONS, WORKLOADS, layout_of, model_of
from commscope.errors import UsageProblem

if TYPE_CHECKING:
    from commscope.theory.plan import Plan
    from commscope.theory.policy import Policy
    from commscope.trace import Layout

PLAN_OPTIONS = (
    click.option("--pp", type=COUNT, default=1, show_default=True, help="Pipeline stages."),
    click.option("--vpp", type=COUNT, default=1, show_default=True, help="Interleaved parts of a stage."),
    click.option("--cp", type=COUNT, default=1, show_default=True, help="Context-parallel ranks."),
    click.option(
        "--attention",
        type=click.Choice(("flash", "scores")),
        default="flash",
        show_default=True,
        help="Whether the matrix of scores is kept.",
    ),
    click.option("--tied/--untied", default=False, help="Embedding and head are one matrix."),
    click.option("--dropout/--no-dropout", default=True, help="Of gpt; its masks are kept."),
    click.option(
        "--loss",
        type=click.Choice(("fused", "plain")),
        help="Plain keeps fp32 logits too [llama: fused; gpt: plain].",
    ),
    click.option(
        "--optimizer", type=click.Choice(("adam", "momentum", "sgd")), default="adam", show_default=True
    ),
    click.option(
        "--grad-dtype",
        type=click.Choice(("float32", "bfloat16", "float16", "float64")),
        help="Of main gradients, in memory and on the wire [default: float32].",
    ),
    click.option("--gpu-memory", metavar="SIZE", help="What torch may use [default: the GPU's, less 3 %]."),
    click.option("--context", metavar="SIZE", help="CUDA context and workspaces [default: the GPU's]."),
    click.option(
        "--efficiency",
        type=click.FloatRange(0, 1, min_open=True),
        help="Share of the peak that matrix products reach [default: the GPU's].",
    ),
    click.option(
        "--host-ms-per-layer",
        type=click.FloatRange(min=0),
        help="Time the host needs to launch a layer, forward and backward [default: the GPU's].",
    ),
)


class _Degrees(click.ParamType[tuple[int, ...]]):
    """One degree of tensor parallelism, or several with commas."""

    name = "N[,N…]"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """The degrees, each once."""
        if isinstance(value, tuple):
            return value
        words = str(value).split(",")
        if not all(word.isdigit() and int(word) > 0 for word in words):
            self.fail(f"{value!r} is no number of ranks, nor several with commas", param, ctx)
        return tuple(dict.fromkeys(int(word) for word in words))


TP = click.option(
    "--tp",
    "degrees",
    type=_Degrees(),
    help="Tensor-parallel ranks; 1,2,4,8 sets degrees side by side [default: 1].",
)
FROM = click.option(
    "--from",
    "from_run",
    metavar="RUN",
    help="From a recorded run: what TP, TP + SP and recompute would take on its machine.",
)
TABLE_OPTIONS = (
    click.option(
        "--table",
        metavar="ROWS.csv",
        help="A plan for each row, columns named as options; step_ms and peak_alloc_gib are compared.",
    ),
    click.option(
        "--calibrate",
        metavar="CASE,CASE",
        help="Take efficiency and host time from these measured rows of the table; two suffice.",
    ),
)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    shared = (TP, *LAYOUT_OPTIONS[1:])  # record takes one degree, a plan several
    for option in reversed((*shared, *MODEL_OPTIONS, *PLAN_OPTIONS, *GPU_OPTIONS, *TABLE_OPTIONS, FROM)):
        command = option(command)
    return command


@click.command("plan")
@click.argument("workload", type=click.Choice(WORKLOADS), default="gpt")
@_options
@output_options("text", "markdown", "json")
def command(workload: str, form: str, output: str | None, force: bool, **options: Any) -> None:
    """Closed forms for one layout: memory and whether it fits, step time and what limits it, what moves."""
    from commscope.theory.plan import plan

    degrees = options.pop("degrees")
    options["tp"] = (degrees or (1,))[0]
    if options["from_run"]:
        emit(_from_run(workload, form, degrees, options), output, force=force)
        return
    if options["table"]:
        emit(_tabulated(workload, form, options), output, force=force)
        return
    if options["calibrate"]:
        raise UsageProblem("--calibrate needs the rows of a --table", hint="--table rows.csv --calibrate A,B")
    if degrees and len(degrees) > 1:
        emit(_by_degree(workload, form, degrees, options), output, force=force)
        return
    layout = _layout(options)
    planned = plan(layout, model_of(workload, options), _policy(workload, options), gpu_of(options))
    emit(_render(planned, form), output, force=force)
    if form == "text":
        hint(f"commscope record {workload} --tp {options['tp']} ... measures the same layout")


def _by_degree(workload: str, form: str, degrees: tuple[int, ...], options: dict[str, Any]) -> str:
    """Throughput and memory of several degrees, and the shapes of a layer."""
    from commscope.report.plain_json import dumps
    from commscope.report.plans.degrees import degrees_document, degrees_sections
    from commscope.theory.degrees import degrees_of

    model, gpu = model_of(workload, options), gpu_of(options)
    found = degrees_of(_layout(options), model, _policy(workload, options), gpu, degrees)
    if form == "json":
        return dumps(degrees_document(found, model, gpu))
    from commscope.report import render

    return getattr(render, form)(degrees_sections(found, model, gpu))  # type: ignore[no-any-return]


def _from_run(workload: str, form: str, degrees: tuple[int, ...] | None, options: dict[str, Any]) -> str:
    """Our program keeps the matrix of scores and has no dropout; the gradients' dtype is the model's."""
    from commscope.cli.predict.from_run import Asked, forecasts, rendered
    from commscope.theory.policy import Policy

    if options["table"] or options["calibrate"]:
        raise UsageProblem("--from and --table are two plans", hint="one of them")
    policy = Policy(dropout=False, optimizer=options["optimizer"], grad_dtype=options["grad_dtype"])
    asked = Asked(degrees, _layout(options), model_of(workload, options), policy)
    return rendered(*forecasts(options["from_run"], asked), form)


def _tabulated(workload: str, form: str, options: dict[str, Any]) -> str:
    from commscope.cli.predict.table import constants, plan_rows, read_rows, shaped_by
    from commscope.report import render
    from commscope.report.plain_json import dumps
    from commscope.report.plans.table import table_document, table_sections

    shaped = shaped_by(_layout, lambda given: model_of(workload, given))
    machine = _policy(workload, options), gpu_of(options)
    rows, gpu = plan_rows(read_rows(options["table"]), options, shaped, machine)
    if form == "json":
        return dumps(table_document(rows, constants(gpu)))
    return getattr(render, form)(table_sections(rows, constants(gpu)))  # type: ignore[no-any-return]


def _layout(options: dict[str, Any]) -> Layout:
    """With what is planned but not recorded; a distributed optimizer spans context-parallel ranks too."""
    spread = options["dp"] * options["cp"] > 1
    kind = options["dp_kind"] if spread else "none"
    return replace(layout_of(options), pp=options["pp"], vpp=options["vpp"], cp=options["cp"], dp_kind=kind)


def _policy(workload: str, options: dict[str, Any]) -> Policy:
    from commscope.theory.policy import Policy

    is_llama = workload == "llama"
    loss = options["loss"] or ("fused" if is_llama else "plain")
    return Policy(
        attention=options["attention"],
        fused_mlp=options["attention"] == "flash",
        fused_loss=loss == "fused",
        tied=options["tied"],
        dropout=options["dropout"] and not is_llama,
        optimizer=options["optimizer"],
        grad_dtype=options["grad_dtype"],
    )


def _render(planned: Plan, form: str) -> str:
    from commscope.report.plans.layout import document, sections

    if form == "json":
        from commscope.report.plain_json import dumps

        return dumps(document(planned))
    from commscope.report import render

    return getattr(render, form)(sections(planned))  # type: ignore[no-any-return]
