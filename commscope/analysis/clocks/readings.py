"""What the recorder read of the clocks: which ranks stand on one physical clock, and how surely.

Realtime less monotonic time is the moment a machine booted, as its clock has it. Equal on two ranks of one
host, they read one clock; what differs is the time between the two readings of each.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from commscope.trace import Int64
from commscope.units import NS_PER_MS

ONE_CLOCK_NS = NS_PER_MS  # two calls one after the other, on a busy machine


def readings_ns(clocks: Mapping[str, Mapping[str, int]]) -> dict[int, int]:
    """Realtime less monotonic by rank, where run.json tells both."""
    return {
        int(rank): one["realtime_ns"] - one["monotonic_ns"]
        for rank, one in clocks.items()
        if rank.isdecimal() and {"realtime_ns", "monotonic_ns"} <= set(one)
    }


def doubt_ns(ranks: Int64, readings: Mapping[int, int]) -> int | None:
    """By how much the readings of some ranks differ, where they are of one clock; None where they are not."""
    told = [readings.get(rank) for rank in ranks.tolist()]
    known = np.array([one for one in told if one is not None], dtype=np.int64)
    if len(known) < len(told) or len(known) < 2:
        return None
    apart = int(np.ptp(known))
    return apart if apart <= ONE_CLOCK_NS else None
