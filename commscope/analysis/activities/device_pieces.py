"""What a rank's device did, communication left out: events and the host's pieces -> pieces.

Kernels and copies by their names; where kernels overlap the one that began first owns the time. Idle time
is named by what the host did meanwhile. Without a device (gloo) the host is the device: operators compute,
and what lies between them is idle, but for the time it stood still while something was communicated.
"""

from __future__ import annotations

import numpy as np

from commscope.analysis import intervals as iv
from commscope.analysis.activities.pieces import (
    COMPUTE,
    COPY,
    HOST_BOUND,
    IDLE,
    Pieces,
    first_owns,
    joined,
    pieces,
)
from commscope.analysis.attribution import Attribution, Busy
from commscope.analysis.result import Intervals
from commscope.trace import Events


def device_pieces(
    events: Events,
    attribution: Attribution,
    host: Pieces,
    span: tuple[int, int],
    host_bound: Intervals | None,
) -> Pieces:
    """The pieces between two moments."""
    busy = iv.union(attribution.compute, attribution.communication, attribution.copy)
    if not events.on_device().any():
        still = iv.intersection(attribution.blocked, attribution.communication)
        free = host.within(iv.complement(still, *span))
        return free.but(kind=np.where(free.kind == COMPUTE, COMPUTE, IDLE))
    late = host_bound or iv.EMPTY
    idle = host.within(iv.complement(busy, *span)).cut(np.sort(np.concatenate((late.start_ns, late.end_ns))))
    bound = iv.holds(late, idle.start_ns)
    kernels = _of_kind(events, attribution, Busy.COMPUTE, COMPUTE)
    copies = _of_kind(events, attribution, Busy.COPY, COPY)
    alone = iv.difference(attribution.copy, iv.union(attribution.compute, attribution.communication))
    return joined(kernels, copies.within(alone), idle.but(kind=np.where(bound, HOST_BOUND, IDLE)))


def _of_kind(events: Events, attribution: Attribution, busy: Busy, kind: int) -> Pieces:
    rows = np.flatnonzero(attribution.busy == busy)
    owned, start = first_owns(events.start_ns[rows], events.end_ns[rows])
    rows = rows[owned]
    return pieces(
        start,
        events.end_ns[rows],
        kind=kind,
        name=events.name_id[rows],
        phase=attribution.phase[rows],
        layer=attribution.layer[rows],
    )
