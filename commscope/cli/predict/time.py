"""`commscope time COLLECTIVE SIZE`: how long one collective takes, in its terms."""

from __future__ import annotations

from typing import Any

import click

from commscope.cli.common import emit, hint, output_options
from commscope.cli.predict.machine import COUNT, GPU_OPTIONS, gpu_of
from commscope.errors import UsageProblem
from commscope.schema import ring_wire_bytes
from commscope.units import format_bandwidth, format_bytes, format_time, parse_bytes

TIME_SCHEMA = "commscope.time/1"
TIMED = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast")


def _options(command: Any) -> Any:
    for option in reversed(GPU_OPTIONS):
        command = option(command)
    return command


@click.command("time")
@click.argument("collective", type=click.Choice(TIMED))
@click.argument("size")
@click.option("--ranks", type=click.IntRange(min=2), required=True, help="Ranks of the group, neighbours.")
@click.option("--algorithm", type=click.Choice(("ring", "tree", "nvls")), help="[default: the fastest]")
@click.option("--stride", type=COUNT, default=1, show_default=True, help="Every N-th rank is in the group.")
@_options
@output_options("text", "markdown", "json")
def command(collective: str, size: str, form: str, output: str | None, force: bool, **options: Any) -> None:
    """Time COLLECTIVE of payload SIZE (the whole tensor, as nccl-tests counts), such as 402MB."""
    from commscope.theory.network import collective_time, line_rate_ns, neighbours

    gpu, payload = gpu_of(options), parse_bytes(size)
    if payload < 1:
        raise UsageProblem(f"the size is {size}", hint="at least 1 byte, such as 402MB")
    group = neighbours(options["ranks"], gpu, options["stride"])
    told = collective_time(collective, payload, group, gpu, options["algorithm"])
    wire = ring_wire_bytes(collective, payload, group.size)
    document = {
        "schema": TIME_SCHEMA,
        "time_ns": round(told.time_ns),
        "algorithm": told.algorithm,
        "algbw_gbps": payload / told.time_ns,
        "busbw_gbps": wire / told.time_ns,
        "protocol": told.protocol or None,
        "latency_ns": round(told.latency_ns),
        "transfer_ns": round(told.transfer_ns),
        "nominal_ns": round(line_rate_ns(collective, payload, group, gpu)),
        "payload_bytes": payload,
        "wire_bytes": wire,
        "ranks": group.size,
        "nodes": group.nodes,
        "gpu": gpu.name,
    }
    emit(_render(document, form, gpu.source), output, force=force)
    if form == "text":
        hint(f"commscope plan gpt --gpu {gpu.name} --tp {group.size} ... has all collectives of a step")


def _render(document: dict[str, Any], form: str, source: str) -> str:
    if form == "json":
        from commscope.report.plain_json import dumps

        return dumps(document)
    from commscope.report import render
    from commscope.report.sections import Section, cut

    rows = [
        ("time", format_time(document["time_ns"])),
        ("of it latency", format_time(document["latency_ns"])),
        ("of it transfer", format_time(document["transfer_ns"])),
        ("algorithm", " ".join(filter(None, (document["algorithm"], document["protocol"])))),
        ("algbw", format_bandwidth(document["algbw_gbps"])),
        ("busbw", format_bandwidth(document["busbw_gbps"])),
        ("wire bytes on a ring", format_bytes(document["wire_bytes"])),
        ("ring at the nominal rate", format_time(document["nominal_ns"])),
    ]
    nodes = "1 node" if document["nodes"] == 1 else f"{document['nodes']} nodes"
    payload = format_bytes(document["payload_bytes"])
    title = f"{document['ranks']} x {document['gpu']} on {nodes}, payload {payload}"
    table = cut(("term", "value"), rows, len(rows))
    return getattr(render, form)([Section(title, (f"Constants: {source}.",), table)])  # type: ignore[no-any-return]
