"""Closed forms of data-parallel volume: Layout and ModelShape -> rows over the dp group.

Phi is the rank's parameter count after tensor parallelism. DDP: gradients are all-reduced once a
step. ZeRO-1: gradients are reduce-scattered and parameters gathered. ZeRO-3 (FSDP2): each unit is
gathered in forward and, but for the root, in backward, and its gradients are reduce-scattered,
every microbatch (Rajbhandari et al. 2020, section 7).
"""

from __future__ import annotations

from commscope.schema import DTYPE_BYTES, Collective, Phase, Role
from commscope.theory.parameters import rank_parameters
from commscope.theory.rows import VolumeRow
from commscope.trace import Layout, ModelShape


def data_parallel_volume(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    """Rows of the dp group; none without data parallelism."""
    if layout.dp <= 1:
        return []
    if layout.dp_kind == "zero1":
        return _zero1(layout, model)
    if layout.dp_kind == "fsdp2":
        return _fsdp2(layout, model)
    return _ddp(layout, model)


def _ddp(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    payload = rank_parameters(layout, model).total * DTYPE_BYTES[model.dtype]
    return [_row(layout, model, (Phase.BACKWARD, Collective.ALL_REDUCE), payload)]


def _zero1(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    payload = _padded(rank_parameters(layout, model).total, layout.dp) * DTYPE_BYTES[model.dtype]
    return [
        _row(layout, model, (Phase.OTHER, Collective.REDUCE_SCATTER), payload),
        _row(layout, model, (Phase.OPTIMIZER, Collective.ALL_GATHER), payload),
    ]


def _fsdp2(layout: Layout, model: ModelShape) -> list[VolumeRow]:
    size = DTYPE_BYTES[model.dtype]
    parameters = rank_parameters(layout, model)
    layer = _padded(parameters.layer, layout.dp) * size
    root = _padded(parameters.embedding + parameters.final, layout.dp) * size
    m = model.microbatches
    return [
        _row(layout, model, (Phase.FORWARD, Collective.ALL_GATHER), layer, model.layers * m),
        _row(layout, model, (Phase.FORWARD, Collective.ALL_GATHER), root, m),
        _row(layout, model, (Phase.BACKWARD, Collective.ALL_GATHER), layer, model.layers * m),
        _row(layout, model, (Phase.BACKWARD, Collective.REDUCE_SCATTER), layer, model.layers * m),
        _row(layout, model, (Phase.BACKWARD, Collective.REDUCE_SCATTER), root, m),
    ]


def _row(
    layout: Layout, model: ModelShape, what: tuple[Phase, Collective], payload: int, count: int = 1
) -> VolumeRow:
    phase, collective = what
    return VolumeRow(
        phase.value, collective.value, Role.DP.value, "dp", layout.dp, model.dtype, payload, count
    )


def _padded(elements: int, ranks: int) -> int:
    return -(-elements // ranks) * ranks
