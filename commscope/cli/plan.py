"""`commscope plan`: what a layout costs, by closed forms, before the node is rented."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from commscope.cli.common import emit, hint, output_options
from commscope.cli.record import LAYOUT_OPTIONS, MODEL_OPTIONS, WORKLOADS, layout_of, model_of
from commscope.errors import UsageProblem
from commscope.units import format_bytes, format_count, format_time

if TYPE_CHECKING:
    from commscope.report.sections import Section
    from commscope.theory.plan import Machine, Plan

PLAN_SCHEMA = "commscope.plan/1"


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(LAYOUT_OPTIONS + MODEL_OPTIONS):
        command = option(command)
    return command


@click.command("plan")
@click.argument("workload", type=click.Choice(WORKLOADS), default="gpt")
@_options
@click.option("--gpu", default="h100", show_default=True, help="v100, a100, h100, h200 or b200.")
@click.option("--efficiency", default=0.5, show_default=True, help="Share of the peak that GEMMs reach.")
@click.option("--link", default="h100-nvlink", show_default=True, help="Link inside a tensor-parallel group.")
@click.option("--dp-link", default="ib-ndr", show_default=True, help="Link between data-parallel ranks.")
@output_options("text", "markdown", "json")
def command(workload: str, form: str, output: str | None, force: bool, **options: Any) -> None:
    """Closed forms for one layout: volume, memory, operations, and a bracket of the step time."""
    from commscope.theory.plan import plan

    planned = plan(layout_of(options), model_of(workload, options), _machine(options))
    emit(_render(planned, form), output, force=force)
    if form == "text":
        hint(f"commscope record {workload} --tp {options['tp']} ... measures the same layout")


def _machine(options: dict[str, Any]) -> Machine:
    from commscope.theory.network import LINKS
    from commscope.theory.plan import PEAK_TFLOPS, Machine

    for value, known, name in (
        (options["gpu"], PEAK_TFLOPS, "--gpu"),
        (options["link"], LINKS, "--link"),
        (options["dp_link"], LINKS, "--dp-link"),
    ):
        if value not in known:
            raise UsageProblem(f"{name} {value} is unknown", hint=f"one of {', '.join(known)}")
    return Machine(
        PEAK_TFLOPS[options["gpu"]], options["efficiency"], LINKS[options["link"]], LINKS[options["dp_link"]]
    )


def _render(planned: Plan, form: str) -> str:
    if form == "json":
        from commscope.report.contract import dumps

        return dumps({"schema": PLAN_SCHEMA, **_document(planned)})
    from commscope.report import render

    return getattr(render, form)(_sections(planned))  # type: ignore[no-any-return]


def _document(planned: Plan) -> dict[str, Any]:
    rows = [
        {
            **dataclasses.asdict(row),
            "total_payload_bytes": row.total_payload_bytes,
            "total_wire_bytes": row.total_wire_bytes,
        }
        for row in planned.volume
    ]
    return {
        "layout": dataclasses.asdict(planned.layout),
        "model": dataclasses.asdict(planned.model),
        "volume": rows,
        "payload_bytes": planned.payload_bytes,
        "wire_bytes": planned.wire_bytes,
        "memory": {**dataclasses.asdict(planned.memory), "total_bytes": planned.memory.total_bytes},
        "flops": dataclasses.asdict(planned.flops),
        "compute_ns": round(planned.compute_ns),
        "communication_ns": round(planned.communication_ns),
        "step_ns": {"all_hidden": round(planned.all_hidden_ns), "none_hidden": round(planned.none_hidden_ns)},
    }


def _sections(planned: Plan) -> list[Section]:
    from commscope.report.analysis_sections import layout_words
    from commscope.report.sections import Section, cut

    volume = [
        (
            row.phase,
            row.collective,
            row.role,
            str(row.group_size),
            format_count(row.count),
            format_bytes(row.total_payload_bytes),
            format_bytes(row.total_wire_bytes),
        )
        for row in planned.volume
    ]
    volume.append(
        ("all", "", "", "", "", format_bytes(planned.payload_bytes), format_bytes(planned.wire_bytes))
    )
    memory = [
        (field.name.removesuffix("_bytes"), format_bytes(getattr(planned.memory, field.name)))
        for field in dataclasses.fields(planned.memory)
    ]
    memory.append(("total", format_bytes(planned.memory.total_bytes)))
    told = (
        f"Step between {format_time(planned.all_hidden_ns)} (all communication hidden) and "
        f"{format_time(planned.none_hidden_ns)} (none hidden): compute {format_time(planned.compute_ns)}, "
        f"communication {format_time(planned.communication_ns)}."
    )
    columns = ("phase", "collective", "role", "ranks", "count", "payload", "wire")
    return [
        Section(f"{planned.model.family}: {layout_words(planned.layout)}", (told,)),
        Section("What moves, per rank and step", (), cut(columns, volume, 40)),
        Section("Memory of one rank at the peak", (), cut(("part", "size"), memory, 10)),
    ]
