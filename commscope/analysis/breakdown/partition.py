"""Where a rank's time went: takes its attribution, gives one exact partition a window.

span = compute + exposed + copy + host_bound + idle; communication = overlapped + exposed. Where several
kernels run at once, the one that began first owns the time, so that phases and layers add up to compute.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from commscope.analysis import intervals as iv
from commscope.analysis.attribution import PHASES, Attribution, Busy
from commscope.analysis.result import Intervals, RankBreakdown, Window
from commscope.schema import Phase
from commscope.trace import Events, Int64


def breakdown_of(
    rank: int, window: Window, attribution: Attribution, host_bound: Intervals | None, owned: Owned
) -> RankBreakdown:
    """The partition of one window."""
    start, end = window.start_ns, window.end_ns
    compute, communication, copy = (
        iv.clip(each, start, end)
        for each in (attribution.compute, attribution.communication, attribution.copy)
    )
    busy = iv.union(compute, communication)
    copy_ns = iv.measure(iv.difference(copy, busy))
    compute_ns, communication_ns = iv.measure(compute), iv.measure(communication)
    exposed_ns = iv.measure(busy) - compute_ns
    host_ns = None if host_bound is None else iv.measure(iv.clip(host_bound, start, end))
    return RankBreakdown(
        rank=rank,
        window=window.name,
        span_ns=window.span_ns,
        compute_ns=compute_ns,
        communication_ns=communication_ns,
        overlapped_ns=communication_ns - exposed_ns,
        exposed_ns=exposed_ns,
        copy_ns=copy_ns,
        idle_ns=window.span_ns - compute_ns - exposed_ns - copy_ns - (host_ns or 0),
        host_bound_ns=host_ns,
        compute_by_phase_ns=owned.by_phase(compute),
        compute_by_layer_ns=owned.by_layer(compute),
    )


class Owned:
    """Compute time cut into disjoint pieces, each owned by one event."""

    def __init__(self, events: Events, attribution: Attribution, present: frozenset[Phase]) -> None:
        rows = _in_order(events, attribution, np.flatnonzero(attribution.busy == Busy.COMPUTE))
        ended = np.maximum.accumulate(np.r_[np.iinfo(np.int64).min, events.end_ns[rows]])
        start = np.maximum(events.start_ns[rows], ended[:-1])
        real = events.end_ns[rows] > start
        self._start_ns: Int64 = start[real]
        self._end_ns: Int64 = events.end_ns[rows][real]
        self._phase = attribution.phase[rows][real]
        self._layer = attribution.layer[rows][real]
        self._knows_layers = bool((self._layer >= 0).any())
        self._present = present

    def by_phase(self, compute: Intervals) -> dict[Phase, int] | None:
        """Compute by phase, for the phases this trace has; None where no phase can be told."""
        if not self._present:
            return None
        totals = self._totals(compute, self._phase)
        return {phase: totals.get(code, 0) for code, phase in enumerate(PHASES) if phase in self._present}

    def by_layer(self, compute: Intervals) -> dict[int, int] | None:
        """Compute by layer, None where no layer can be told."""
        if not self._knows_layers:
            return None
        return {layer: total for layer, total in self._totals(compute, self._layer).items() if layer >= 0}

    def _totals(
        self, compute: Intervals, key: npt.NDArray[np.int8] | npt.NDArray[np.int32]
    ) -> dict[int, int]:
        if not len(compute.start_ns):
            return {}
        first = int(np.searchsorted(self._end_ns, compute.start_ns[0], "right"))
        last = int(np.searchsorted(self._start_ns, compute.end_ns[-1], "left"))
        inside = slice(first, last)
        lengths = iv.measure_within(compute, self._start_ns[inside], self._end_ns[inside])
        keys, group = np.unique(key[inside], return_inverse=True)
        totals = np.zeros(len(keys), np.int64)
        np.add.at(totals, group, lengths)
        return {int(one): int(total) for one, total in zip(keys, totals, strict=True)}


def _in_order(events: Events, attribution: Attribution, rows: Int64) -> Int64:
    """By start; what starts at once by phase and layer, so that the order of a file means nothing."""
    start = events.start_ns[rows]
    if (start[1:] > start[:-1]).all():
        return rows
    return rows[np.lexsort((attribution.layer[rows], attribution.phase[rows], -events.end_ns[rows], start))]


def host_bound_time(events: Events, launches: Int64, busy: Intervals, window: Window) -> Intervals | None:
    """Idle time of the device before the host had made the next launch; None where no launch was recorded."""
    device = np.flatnonzero(events.on_device())
    if not len(device) or not (launches[device] >= 0).any():
        return None
    gaps = iv.complement(busy, window.start_ns, window.end_ns)
    start_ns, launched_ns = _first_launches(events, device, launches[device])
    following = np.searchsorted(start_ns, gaps.end_ns, "left")
    known = following < len(start_ns)
    launched = launched_ns[following[known]]
    launched = np.where(launched < _NEVER, launched, gaps.start_ns[known])
    return iv.union_of(gaps.start_ns[known], np.minimum(gaps.end_ns[known], launched))


_NEVER = np.iinfo(np.int64).max


def _first_launches(events: Events, device: Int64, launch: Int64) -> tuple[Int64, Int64]:
    """When device events start, and when the first launch of those that start then had returned."""
    returned = np.where(launch >= 0, events.end_ns[launch], _NEVER)
    start_ns, first = np.unique(events.start_ns[device], return_index=True)
    return start_ns, np.minimum.reduceat(returned, first)
