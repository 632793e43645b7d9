"""Matched instances of all ranks -> one clock: an offset and drift for each rank, with hard bounds.

Nobody leaves an n-to-n collective before everybody has come: every end is after every start, which bounds
each pair of clocks from both sides (difference constraints, closed by Floyd's algorithm; science.md 6).
Inside the bounds the offset is where the ends agree best. A match that no clock can satisfy is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commscope.analysis.alignment.instance_blocks import links_of
from commscope.analysis.clocks.bounds import UNBOUNDED, closed, is_feasible, pair_bounds, projected
from commscope.analysis.clocks.fit import Estimate, drifted, estimate
from commscope.analysis.clocks.readings import doubt_ns
from commscope.analysis.result import Clock
from commscope.analysis.rows import Rows
from commscope.trace import Int64, Mask
from commscope.units import NS_PER_US

ROUNDS = 40


@dataclass(frozen=True, slots=True)
class ClockSolution:
    """The clock, which instances no clock allows, and which ranks are tied together (equal number = tied)."""

    clock: Clock | None
    refused: Mask  # by instance
    component: dict[int, int]


def common_time(clock: Clock | None, rank: int, time_ns: Int64) -> Int64:
    """Stamps of a rank on the common clock: offset, then drift from its origin. Without a clock: as they
    are.
    """
    if clock is None:
        return time_ns
    shifted = time_ns + clock.offsets_ns.get(rank, 0)
    return drifted(shifted, clock.drift_ppm.get(rank, 0.0), clock.drift_origin_ns)


def solve_clock(
    rows: Rows,
    instance: Int64,
    hosts: Mapping[int, str | None],
    readings: Mapping[int, int] | None = None,
) -> ClockSolution:
    """Clock of all ranks in `rows` from the rows that carry an instance number (-1: none).

    `readings` are realtime less monotonic by rank, in ns, as the recorder read them: ranks of one host whose
    readings are equal share one clock, whatever a few ends say, unless a bound forbids it.
    """
    links = links_of(rows, instance)
    refused = np.zeros(links.count, dtype=np.bool_)
    if not links.is_tied:
        return ClockSolution(None, refused, {rank: n for n, rank in enumerate(links.ranks)})
    for _ in range(ROUNDS):
        fit = estimate(links, refused, hosts)
        raw = pair_bounds(fit.links, refused)
        closure = closed(raw)
        if is_feasible(closure):
            break
        refused = refused | _worst(fit, refused)
    else:
        refused[:] = True
        return ClockSolution(None, refused, {rank: n for n, rank in enumerate(links.ranks)})
    clock = _clock(fit, closure, _SameClock(hosts, readings or {}))
    return ClockSolution(clock, refused, _components(links.ranks, closure))


def _worst(fit: Estimate, refused: Mask) -> Mask:
    """The instances whose latest start lies furthest behind their earliest end, by half of the worst."""
    late = fit.links.overrun_ns(fit.offsets_ns)
    late[refused] = 0
    if late.max(initial=0) <= 0:  # bounds contradict each other although each holds here: refuse the tightest
        late = late - late[~refused].min() + 1
        late[refused] = 0
    worst: Mask = late * 2 > late.max()
    return worst & ~refused


@dataclass(frozen=True, slots=True)
class _SameClock:
    """What speaks for ranks that read one physical clock."""

    hosts: Mapping[int, str | None]
    readings: Mapping[int, int]


def _clock(fit: Estimate, closure: Int64, same: _SameClock) -> Clock:
    ranks = fit.links.ranks
    free = projected(fit.offsets_ns, closure, fit.samples == 0)
    snapped, read = _one_clock_per_host(free, fit, same)
    holds = _holds(snapped, closure)
    offsets = snapped if holds else free
    bounds = {
        rank: (_bound(-closure[n, 0]), _bound(closure[0, n])) if n else (0, 0) for n, rank in enumerate(ranks)
    }
    offsets_ns = {rank: int(offsets[n]) for n, rank in enumerate(ranks)}
    return Clock(
        offsets_ns=offsets_ns,
        residual_ns=fit.residual_ns,
        bounds_ns=bounds,
        drift_ppm={rank: float(ppm) for rank, ppm in zip(ranks, fit.drift_ppm, strict=True) if ppm},
        drift_origin_ns=fit.origin_ns,
        uncertainty_ns={
            **_uncertainties(offsets_ns, bounds),
            **({ranks[n]: doubt for n, doubt in read.items()} if holds else {}),
        },
    )


def _uncertainties(
    offsets_ns: Mapping[int, int], bounds: Mapping[int, tuple[int | None, int | None]]
) -> dict[int, int | None]:
    """How far each offset may be off: as far as its bounds leave room.

    The scatter of ends says less: a rank that always leaves a little later shifts all of them alike.
    """
    return {
        rank: None if low is None or high is None else max(offsets_ns[rank] - low, high - offsets_ns[rank], 0)
        for rank, (low, high) in bounds.items()
    }


def _bound(value: np.int64) -> int | None:
    return None if abs(int(value)) >= UNBOUNDED else int(value)


def _one_clock_per_host(offsets: Int64, fit: Estimate, same: _SameClock) -> tuple[Int64, dict[int, int]]:
    """Ranks of one host read one physical clock: where ends do not tell their offsets apart, they are equal.

    A rank that always ends a little later looks like one whose clock is behind; on one host it is the former.
    Where the recorder read one clock, they are equal, to the doubt of the readings (given by place, for the
    ranks of the first one's host). Else "not apart" is within the noise of the ends themselves: stamps that
    somebody shifted further are still found and put back.
    """
    snapped, read = offsets.copy(), dict[int, int]()
    ranks = np.array(fit.links.ranks)
    names = np.array([same.hosts.get(rank) or f"rank {rank}" for rank in fit.links.ranks])
    for name in np.unique(names):
        here = np.flatnonzero(names == name)
        centre = offsets[0] if here[0] == 0 else np.int64(np.median(offsets[here]))
        doubt = doubt_ns(ranks[here], same.readings)
        if doubt is not None:
            snapped[here] = centre
            read |= dict.fromkeys(here.tolist(), doubt) if here[0] == 0 else {}
            continue
        allowed = np.maximum(NS_PER_US, np.maximum(3 * fit.error_ns[here], fit.spread_ns[here]))
        if np.all(np.abs(offsets[here] - centre) <= allowed):
            snapped[here] = centre
    return snapped, read


def _holds(offsets: Int64, closure: Int64) -> bool:
    return bool(np.all(offsets[None, :] - offsets[:, None] <= closure))


def _components(ranks: tuple[int, ...], closure: npt.NDArray[np.int64]) -> dict[int, int]:
    """Ranks whose clocks bound each other from both sides share a number."""
    tied = (closure < UNBOUNDED) & (closure.T < UNBOUNDED)
    number = np.arange(len(ranks))
    for _ in range(len(ranks)):
        lower = np.where(tied, number[None, :], len(ranks)).min(axis=1)
        if np.array_equal(lower, number):
            break
        number = lower
    return {rank: int(n) for rank, n in zip(ranks, number, strict=True)}
