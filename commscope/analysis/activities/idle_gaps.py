"""The longest times in which a rank's device did nothing, and what its host did: pieces -> IdleGaps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from commscope.analysis import intervals as iv
from commscope.analysis.activities.pieces import HOST_BOUND, IDLE, Pieces
from commscope.analysis.result import Activity, IdleGap

MOST = 32
NAMES = 2
SHARE = 10  # of a gap: what took less than a tenth is not told


def idle_gaps(rank: int, device: Pieces, named: Callable[[Pieces], list[Activity]]) -> tuple[IdleGap, ...]:
    """The longest gaps, the longest first; `named` gives the activity of each piece."""
    idle = device.at(np.isin(device.kind, (HOST_BOUND, IDLE)))
    gaps = iv.union_of(idle.start_ns, idle.end_ns)
    longest = np.argsort(gaps.start_ns - gaps.end_ns, kind="stable")[:MOST]
    found = []
    for start_ns, end_ns in zip(gaps.start_ns[longest].tolist(), gaps.end_ns[longest].tolist(), strict=True):
        inside = slice(*np.searchsorted(idle.start_ns, (start_ns, end_ns)).tolist())
        parts = idle.at(np.arange(inside.start, inside.stop))
        took = parts.end_ns - parts.start_ns
        main = np.argsort(-took, kind="stable")[: 4 * NAMES]
        total: dict[Activity, int] = {}
        for activity, time_ns in zip(named(parts.at(main)), took[main].tolist(), strict=True):
            total[activity] = total.get(activity, 0) + time_ns
        worth = (end_ns - start_ns) // SHARE
        told = [one for one in total.items() if one[1] >= worth]
        spent = sorted(told, key=lambda item: -item[1])[:NAMES]
        found.append(IdleGap(rank, start_ns, end_ns, tuple(spent)))
    return tuple(found)
