"""Options that name a GPU, its node and its network, and the Gpu they make."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from commscope.errors import UsageProblem
from commscope.schema import Collective
from commscope.units import parse_bytes

if TYPE_CHECKING:
    from commscope.theory.gpus import Gpu

COUNT = click.IntRange(min=1)
GPU_OPTIONS = (
    click.option(
        "--gpu",
        default="h100",
        show_default=True,
        help="v100, a100, h100, h200, b200, gb200-nvl72 or mi300x.",
    ),
    click.option("--gpus-per-node", type=COUNT, help="GPUs of one NVLink domain [default: the GPU's]."),
    click.option("--nics-per-node", type=COUNT, help="Network ports of a node [default: the GPU's]."),
    click.option("--nic-gbps", type=click.FloatRange(0, min_open=True), help="GB/s of one port."),
    click.option(
        "--busbw",
        "busbws",
        multiple=True,
        metavar="COLLECTIVE=GB/s",
        help="Measured bus bandwidth, all_reduce=480: wins over the model.",
    ),
)


def gpu_of(options: dict[str, Any]) -> Gpu:
    """The GPU that options of the command line name. Raises UsageProblem."""
    from commscope.theory.gpus import gpu_named

    changed: dict[str, Any] = {
        "gpus_per_node": options.get("gpus_per_node"),
        "nics_per_node": options.get("nics_per_node"),
        "nic_gbps": options.get("nic_gbps"),
        "efficiency": options.get("efficiency"),
        "host_ms_per_layer": options.get("host_ms_per_layer"),
        "memory_bytes": size_of("--gpu-memory", options.get("gpu_memory")),
        "context_bytes": size_of("--context", options.get("context")),
        "busbw_gbps": tuple(_busbw(text) for text in options["busbws"]) or None,
    }
    given = {name: value for name, value in changed.items() if value is not None}
    return replace(gpu_named(options["gpu"]), **given)


def size_of(option: str, text: str | None) -> int | None:
    """`80GB` as bytes; None where it was not given. Raises UsageProblem."""
    if text is None:
        return None
    size = parse_bytes(text)
    if size < 0:
        raise UsageProblem(f"{option} is {text}", hint="0 or more")
    return size


def _busbw(text: str) -> tuple[str, float]:
    collective, _, rate = text.partition("=")
    try:
        gbps = float(rate)
    except ValueError:
        gbps = 0.0
    if collective not in list(Collective) or not 0 < gbps < float("inf"):
        raise UsageProblem(f"cannot read --busbw {text!r}", hint="write all_reduce=480")
    return collective, gbps
