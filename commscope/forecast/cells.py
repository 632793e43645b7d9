"""What a layout issues and computes in each cell of a step: a phase, and whether inside a layer.

Layout and ModelShape in; collectives of a step by cell out, and the share of each class of work that one rank
has: two layouts' shares tell by how much its work differs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from commscope.forecast.work import Place, Work
from commscope.schema import Phase
from commscope.theory.data_parallel import data_parallel_volume
from commscope.theory.layer_time import bound_bytes
from commscope.theory.parameters import rank_parameters
from commscope.theory.rows import VolumeRow, times
from commscope.theory.tensor_parallel import (
    edge_volume,
    gradient_volume,
    layer_volume,
    recomputed_layer_volume,
    recomputed_layers,
)
from commscope.trace import Layout, ModelShape

Call = tuple[str, int, int, int]  # collective, payload bytes, ranks, count


@dataclass(frozen=True, slots=True)
class Shares:
    """What one rank holds of each class of work, and of the parameters; 1 is all of it."""

    by_class: dict[Work, float]
    parameters: int


def shares_of(layout: Layout, model: ModelShape) -> Shares:
    """Products and activations inside are split t ways, whole tokens t ways under SP."""
    t, sequence = layout.tp, layout.tp if layout.sp else 1
    whole, split = bound_bytes(model)
    split_classes = (Work.CORE, Work.PRODUCTS, Work.SCORES, Work.SPLIT)
    shares = dict.fromkeys(split_classes, 1 / t)
    shares[Work.WHOLE] = 1 / sequence
    shares[Work.MIXED] = (whole / sequence + split / t) / (whole + split)
    return Shares(shares, rank_parameters(layout, model).total)


def calls_of(layout: Layout, model: ModelShape) -> dict[Place, list[Call]]:
    """Collectives of a whole step by cell: those of all layers and microbatches in the cells of layers."""
    cells: dict[Place, list[Call]] = {}
    again, m = recomputed_layers(layout, model), model.microbatches
    if layout.tp > 1:
        inside = [
            *times(layer_volume(layout, model), (model.layers - again) * m),
            *times(recomputed_layer_volume(layout, model), again * m),
        ]
        _add(cells, inside, is_layer=True)
        _add(cells, times(edge_volume(layout, model), m), is_layer=False)
        _add(cells, gradient_volume(layout, model), is_layer=False)
    _add(cells, data_parallel_volume(layout, model), is_layer=False)
    return cells


def plain(layout: Layout) -> Layout:
    """The same without recompute."""
    return replace(layout, recompute="none", recompute_layers=None, distribute_saved=False)


def recomputed_share(layout: Layout, model: ModelShape) -> float:
    """Part of the layers whose whole forward runs again."""
    return recomputed_layers(layout, model) / model.layers


def _add(cells: dict[Place, list[Call]], rows: list[VolumeRow], *, is_layer: bool) -> None:
    for row in rows:
        if row.count:
            place = (str(Phase(row.phase)), is_layer)
            cells.setdefault(place, []).append((row.collective, row.payload_bytes, row.group_size, row.count))
