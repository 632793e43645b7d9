"""Floating point operations of a rank's products in each window and phase: exact, from recorded shapes.

A product may call another (linear, matmul and mm; DTensor's and the shard's): the innermost counts. A rank
whose products are not all known says nothing rather than too little: shapes not recorded, kernels of products
that other operators launched (Transformer Engine, flash-attn, templates of a compiler), or CUDA graphs, which
run without their operators.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from commscope.analysis.attribution import PHASES, Attribution
from commscope.analysis.breakdown.flops import flops_of
from commscope.analysis.events import enclosing_rows
from commscope.analysis.names import where_match, where_name
from commscope.analysis.result import RankBreakdown, Window
from commscope.readers.names.phases import GRAPH_LAUNCH
from commscope.readers.names.products import multiplies
from commscope.schema import CAPTURE, EventKind, Phase
from commscope.trace import Events, Int64

_PRODUCT_KERNEL = re.compile(
    r"(?!.*(fbgemm|embedding)).*(gemm|gemv|xmma|cutlass|nvjet|flash_fwd|flash_bwd|fmha|triton_tem_|convolve).*",
    re.IGNORECASE,
)
_MOST = 2**62  # of one window and phase: more is no arithmetic but a damaged shape


def with_flops(
    rows: Sequence[RankBreakdown],
    events: Events,
    attribution: Attribution,
    windows: Sequence[Window],
    launches: Int64,
) -> tuple[RankBreakdown, ...]:
    """Each window with its operations by phase; None where a product, its shapes or phase are not known."""
    calls = _innermost(events)
    phase, step = attribution.phase[calls], attribution.window[calls]
    if not len(calls) or (phase < 0).any():
        return tuple(rows)
    pairs = np.stack([events.name_id[calls], events.comm_id[calls]])
    distinct, which = np.unique(pairs, axis=1, return_inverse=True)
    flops = [_flops(events, *pair) for pair in distinct.T.tolist()]
    if None in flops or _others_multiply(events, calls, launches):
        return tuple(rows)
    steps = [window.name for window in windows if window.name != CAPTURE]
    sums = {name: Counter[Phase]() for name in (CAPTURE, *steps)}
    places, counts = np.unique(np.stack([step, phase, which.reshape(-1)]), axis=1, return_counts=True)
    for (at, code, one), count in zip(places.T.tolist(), counts.tolist(), strict=True):
        for name in (CAPTURE, *([steps[at]] if at >= 0 else [])):
            sums[name][PHASES[code]] += count * (flops[one] or 0)
    if max(sums[CAPTURE].values()) > _MOST:
        return tuple(rows)
    return tuple(replace(row, flops_by_phase=dict(sums[row.window])) for row in rows)


def _innermost(events: Events) -> Int64:
    """Products with no other product inside; on one thread calls nest and are sorted by their start."""
    rows = np.flatnonzero(events.is_kind(EventKind.OP) & where_name(events, multiplies))
    rows = rows[np.argsort(events.lane_id[rows], kind="stable")]
    holds = np.zeros(len(rows), bool)
    holds[:-1] = events.lane_id[rows[1:]] == events.lane_id[rows[:-1]]
    holds[:-1] &= events.start_ns[rows[1:]] < events.end_ns[rows[:-1]]
    return np.sort(rows[~holds])


def _others_multiply(events: Events, calls: Int64, launches: Int64) -> bool:
    """Whether products ran that none of these calls launched, as far as kernels are named after it."""
    kernels = np.flatnonzero(events.is_kind(EventKind.KERNEL) & where_match(events, _PRODUCT_KERNEL))
    launched = launches[kernels]
    alone = enclosing_rows(events, calls, launched[launched >= 0]) < 0
    return bool(alone.any() or where_match(events, GRAPH_LAUNCH).any())


def _flops(events: Events, name: int, facts: int) -> int | None:
    return flops_of(events.names[name], events.comms[facts]) if facts >= 0 else None
