"""The longest times in which a rank's device did nothing, and what its host did: pieces -> IdleGaps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

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
    start, end = gaps.start_ns[longest], gaps.end_ns[longest]
    took = idle.end_ns - idle.start_ns
    inside = zip(*(np.searchsorted(idle.start_ns, at).tolist() for at in (start, end)), strict=True)
    main = [low + np.argsort(-took[low:high], kind="stable")[: 4 * NAMES] for low, high in inside]
    rows = np.concatenate([np.empty(0, np.int64), *main])
    names = iter(named(idle.at(rows)))
    found = []
    for start_ns, end_ns, mine in zip(start.tolist(), end.tolist(), main, strict=True):
        total: dict[Activity, int] = {}
        for activity, time_ns in zip(islice(names, len(mine)), took[mine].tolist(), strict=True):
            total[activity] = total.get(activity, 0) + time_ns
        told = [one for one in total.items() if one[1] >= (end_ns - start_ns) // SHARE]
        spent = sorted(told, key=lambda item: -item[1])[:NAMES]
        found.append(IdleGap(rank, start_ns, end_ns, tuple(spent)))
    return tuple(found)
