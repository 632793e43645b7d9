"""Closed forms of communication volume: Layout and ModelShape -> what one rank issues in one step."""

from __future__ import annotations

from commscope.errors import UsageProblem
from commscope.theory.data_parallel import data_parallel_volume
from commscope.theory.rows import VolumeRow, merged, times
from commscope.theory.tensor_parallel import (
    RECOMPUTE,
    edge_volume,
    gradient_volume,
    layer_volume,
    recomputed_layer_volume,
    recomputed_layers,
)
from commscope.trace import Layout, ModelShape

__all__ = ["VolumeRow", "step_volume"]


def step_volume(layout: Layout, model: ModelShape, grad_dtype: str | None = None) -> tuple[VolumeRow, ...]:
    """What one rank issues in one step, merged, ordered by phase, collective, role and payload."""
    _refuse_what_has_no_closed_form(layout)
    rows: list[VolumeRow] = []
    if layout.tp > 1:
        layers = times(layer_volume(layout, model), model.layers - recomputed_layers(layout, model))
        recomputed = times(recomputed_layer_volume(layout, model), recomputed_layers(layout, model))
        microbatch = [*layers, *recomputed, *edge_volume(layout, model)]
        rows += [*times(microbatch, model.microbatches), *gradient_volume(layout, model)]
    return merged([*rows, *data_parallel_volume(layout, model, grad_dtype)])


def _refuse_what_has_no_closed_form(layout: Layout) -> None:
    axes = {"pp": layout.pp, "cp": layout.cp, "ep": layout.ep}
    for axis, size in axes.items():
        if size > 1:
            raise UsageProblem(
                f"no closed form of the volume under {axis}={size}",
                hint="tp, sp, dp and recompute have one; the trace still tells what was moved",
            )
    if layout.recompute not in RECOMPUTE:
        raise UsageProblem(f"unknown recompute {layout.recompute!r}", hint=f"one of {', '.join(RECOMPUTE)}")
