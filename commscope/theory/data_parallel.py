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


def data_parallel_volume(layout: Layout, model: ModelShape, grad_dtype: str | None = None) -> list[VolumeRow]:
    """Rows of the dp group, gradients in their dtype (None: the model's); none without data parallelism."""
    dtype = grad_dtype or model.dtype
    if layout.dp <= 1:
        return []
    if layout.dp_kind == "zero1":
        return _zero1(layout, model, dtype)
    if layout.dp_kind == "fsdp2":
        return _fsdp2(layout, model, dtype)
    return _ddp(layout, model, dtype)


def _ddp(layout: Layout, model: ModelShape, grad_dtype: str) -> list[VolumeRow]:
    elements = rank_parameters(layout, model).total
    return [_row(layout, grad_dtype, (Phase.BACKWARD, Collective.ALL_REDUCE), elements)]


def _zero1(layout: Layout, model: ModelShape, grad_dtype: str) -> list[VolumeRow]:
    elements = _padded(rank_parameters(layout, model).total, layout.dp)
    return [
        _row(layout, grad_dtype, (Phase.OTHER, Collective.REDUCE_SCATTER), elements),
        _row(layout, model.dtype, (Phase.OPTIMIZER, Collective.ALL_GATHER), elements),
    ]


def _fsdp2(layout: Layout, model: ModelShape, grad_dtype: str) -> list[VolumeRow]:
    parameters = rank_parameters(layout, model)
    layer = _padded(parameters.layer, layout.dp)
    root = _padded(parameters.embedding + parameters.final, layout.dp)
    m = model.microbatches
    return [
        _row(layout, model.dtype, (Phase.FORWARD, Collective.ALL_GATHER), layer, model.layers * m),
        _row(layout, model.dtype, (Phase.FORWARD, Collective.ALL_GATHER), root, m),
        _row(layout, model.dtype, (Phase.BACKWARD, Collective.ALL_GATHER), layer, model.layers * m),
        _row(layout, grad_dtype, (Phase.BACKWARD, Collective.REDUCE_SCATTER), layer, model.layers * m),
        _row(layout, grad_dtype, (Phase.BACKWARD, Collective.REDUCE_SCATTER), root, m),
    ]


def _row(
    layout: Layout, dtype: str, what: tuple[Phase, Collective], elements: int, count: int = 1
) -> VolumeRow:
    phase, collective = what
    payload = elements * DTYPE_BYTES[dtype]
    return VolumeRow(phase.value, collective.value, Role.DP.value, "dp", layout.dp, dtype, payload, count)


def _padded(elements: int, ranks: int) -> int:
    return -(-elements // ranks) * ranks
