"""Why the culprit was late: each wait charged to what it did longer than the victim since they last met.

Two ranks last met when the last had come to the previous instance both took part in (Boehme et al.,
ICPP'10: delay costs). From there, or before their first meeting from where both are recorded, to their
arrivals the time of each is compute, recompute, transfer, wait, host-bound or idle. What the culprit has
more of is charged, in proportion to the excess. Charged to `wait`: the delay is not its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from commscope.analysis.clocks import common_time
from commscope.analysis.intervals import (
    EMPTY,
    difference,
    intersection,
    measure_before,
    union,
    union_of,
)
from commscope.analysis.result import Clock, Intervals, RankAnalysis
from commscope.schema import CAPTURE
from commscope.trace import Int64, Mask

ACTIVITIES = ("compute", "recompute", "transfer", "wait", "host_bound")
CAUSES = (
    *ACTIVITIES,
    "idle",
    "unknown",
)  # idle: the rest; unknown: nothing the culprit has more of, or not recorded together before
Cell = tuple[str, int, int]  # window, victim, culprit
COLUMNS = ["rank", "start_ns", "end_ns", "window", "instance", "wait_ns", "transfer_ns", "culprit"]


@dataclass(frozen=True, slots=True)
class _Meetings:
    """Matched rows, and for rank position x instance (in order of time) the row, -1 where none."""

    ranks: Int64
    row: Int64
    place: Int64  # row -> instance in order of time
    since: Int64  # row -> time and activities spent until the last had come to it ...
    until: Int64  # ... and until its start: rows x (1 + activities)
    recorded_ns: Int64  # since when each rank is recorded
    activities: tuple[tuple[Intervals, ...], ...]  # of each rank


@dataclass(frozen=True, slots=True)
class Charges:
    """Waits and what each is charged to; times on the common clock. Empty without a clock."""

    row: Int64  # the wait's row in the instance table
    window: npt.NDArray[np.object_]
    victim: Int64
    culprit: Int64
    wait_ns: Int64
    shares_ns: Int64  # waits x CAUSES: rows sum to the waits
    excess_ns: Int64  # waits x all but `unknown`: by how much the culprit spent longer on each
    since_ns: Int64  # waits x 2: from when the victim's and the culprit's time is compared ...
    until_ns: Int64  # ... and until when
    is_first: Mask  # they had not met before: compared from where both are recorded

    def __len__(self) -> int:
        return len(self.row)


def charges_of(ranks: Sequence[RankAnalysis], instances: pd.DataFrame, clock: Clock | None) -> Charges:
    """Every wait of whole instances, charged to causes."""
    whole = np.flatnonzero(instances["transfer_ns"].notna().to_numpy())
    matched = instances[COLUMNS].iloc[whole].reset_index(drop=True)
    waited = np.flatnonzero(matched["wait_ns"].fillna(0).to_numpy(np.int64) > 0)
    if clock is None:
        waited = waited[:0]
    wait_ns = matched["wait_ns"].iloc[waited].to_numpy(np.int64)
    window = matched["window"].to_numpy(object)[waited]
    if clock is None or len(waited) == 0:
        shares, none = np.empty((0, len(CAUSES)), np.int64), np.empty((0, 2), np.int64)
        first = np.empty(0, np.bool_)
        return Charges(waited, window, waited, waited, wait_ns, shares, shares[:, 1:], none, none, first)
    meetings = _meetings(ranks, matched, clock)
    victim = np.searchsorted(meetings.ranks, matched["rank"].to_numpy(np.int64)[waited])
    culprit = np.searchsorted(meetings.ranks, matched["culprit"].iloc[waited].to_numpy(np.int64))
    last = _last_met(meetings, waited, victim, culprit)
    excess = _excess(meetings, last, waited, (victim, culprit))
    shares = _shares(wait_ns, excess)
    untold = np.isin(meetings.ranks[culprit], [one.rank for one in ranks if not one.breakdown])
    idle, unknown = CAUSES.index("idle"), CAUSES.index("unknown")  # idle is told only beside what was busy
    shares[untold, unknown] += shares[untold, idle]
    shares[untold, idle] = 0
    now = meetings.place[waited]
    opened = np.maximum(meetings.recorded_ns[victim], meetings.recorded_ns[culprit])
    pair = np.stack((victim, culprit), axis=1)
    since = meetings.since[meetings.row[pair, last[:, None]], 0]
    until = meetings.until[meetings.row[pair, now[:, None]], 0]
    return Charges(
        row=whole[waited],
        window=window,
        victim=meetings.ranks[victim],
        culprit=meetings.ranks[culprit],
        wait_ns=wait_ns,
        shares_ns=shares,
        excess_ns=excess.astype(np.int64),
        since_ns=np.where(last[:, None] >= 0, since, opened[:, None]),
        until_ns=until,
        is_first=last < 0,
    )


def causes_of(charges: Charges) -> dict[Cell, dict[str, int]]:
    """Waits in ns by cause, of each cell; the window `capture` holds all."""
    if len(charges) == 0:
        return {}
    charged = pd.DataFrame(charges.shares_ns, columns=list(CAUSES)).assign(
        window=charges.window, victim=charges.victim, culprit=charges.culprit
    )
    return _summed(charged)


def _meetings(ranks: Sequence[RankAnalysis], matched: pd.DataFrame, clock: Clock) -> _Meetings:
    rank = matched["rank"].to_numpy(np.int64)
    known = np.unique(rank)
    first = matched.groupby("instance")["start_ns"].min().sort_values(kind="stable")
    place = pd.Series(np.arange(len(first)), index=first.index)[matched["instance"]].to_numpy()
    row = np.full((len(known), len(first)), -1, dtype=np.int64)
    row[np.searchsorted(known, rank), place] = np.arange(len(matched))
    since = np.zeros((len(matched), 1 + len(ACTIVITIES)), dtype=np.int64)
    until = since.copy()
    recorded, spent = [], []
    for one in sorted(ranks, key=lambda one: one.rank):
        here = np.flatnonzero(rank == one.rank)
        if len(here):
            own = matched.iloc[here]
            activities = _activities(one, own, clock)
            until[here] = _spent_before(own["start_ns"].to_numpy(np.int64), activities)
            begun = own["end_ns"].to_numpy(np.int64) - own["transfer_ns"].to_numpy(np.int64)
            since[here] = _spent_before(begun, activities)
            opened = np.array([min(window.start_ns for window in one.windows)])
            recorded.append(int(common_time(clock, one.rank, opened)[0]))
            spent.append(activities)
    return _Meetings(known, row, place, since, until, np.array(recorded), tuple(spent))


def _activities(one: RankAnalysis, own: pd.DataFrame, clock: Clock) -> tuple[Intervals, ...]:
    """A rank's time by activity, disjoint, on the common clock."""
    start, end = own["start_ns"].to_numpy(np.int64), own["end_ns"].to_numpy(np.int64)
    begun = end - own["transfer_ns"].to_numpy(np.int64)
    compute = _moved(one.compute, one.rank, clock)
    recompute = intersection(_moved(one.recompute or EMPTY, one.rank, clock), compute)
    transfer = difference(union_of(begun, end), compute)
    wait = difference(union_of(start, begun), union(compute, transfer))
    host = difference(_moved(one.host_bound or EMPTY, one.rank, clock), union(compute, transfer, wait))
    return difference(compute, recompute), recompute, transfer, wait, host


def _moved(own: Intervals, rank: int, clock: Clock) -> Intervals:
    return Intervals(common_time(clock, rank, own.start_ns), common_time(clock, rank, own.end_ns))


def _spent_before(time_ns: Int64, activities: tuple[Intervals, ...]) -> Int64:
    return np.stack([time_ns, *(measure_before(one, time_ns) for one in activities)], axis=1)


def _last_met(meetings: _Meetings, waited: Int64, victim: Int64, culprit: Int64) -> Int64:
    """For each wait the last instance before it in which both took part, in order of time; -1 for none."""
    last = np.full(len(waited), -1, dtype=np.int64)
    pair = victim * len(meetings.ranks) + culprit
    order = np.argsort(pair, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(pair[order])) + 1):
        both = np.flatnonzero((meetings.row[victim[part[0]]] >= 0) & (meetings.row[culprit[part[0]]] >= 0))
        at = np.searchsorted(both, meetings.place[waited[part]]) - 1
        last[part] = np.where(at >= 0, both[at], -1)
    return last


def _excess(
    meetings: _Meetings, last: Int64, waited: Int64, pair: tuple[Int64, Int64]
) -> npt.NDArray[np.float64]:
    """By how much each culprit exceeded its victim in each cause since they met, or both are recorded."""
    victim, culprit = pair
    met = last >= 0
    now = meetings.place[waited[met]]
    spent = [
        _between(meetings, meetings.row[rank[met], last[met]], meetings.row[rank[met], now])
        for rank in (culprit, victim)
    ]
    excess = np.zeros((len(waited), len(CAUSES) - 1))
    excess[met] = np.clip(spent[0] - spent[1], 0, None)
    first = np.flatnonzero(~met)
    both_ns = np.maximum(meetings.recorded_ns[victim[first]], meetings.recorded_ns[culprit[first]])
    own, others = (
        _since(meetings, rank[first], meetings.place[waited[first]], both_ns) for rank in (culprit, victim)
    )
    excess[first] = np.clip(own - others, 0, None) * ((own >= 0) & (others >= 0)).all(axis=1, keepdims=True)
    return excess


def _since(meetings: _Meetings, rank: Int64, now: Int64, from_ns: Int64) -> Int64:
    """Time by cause from some moments to the ranks' starts of some instances; -1 where that is backwards."""
    until = meetings.until[meetings.row[rank, now]]
    before = until.copy()
    for one in np.unique(rank):
        here = rank == one
        before[here] = _spent_before(from_ns[here], meetings.activities[one])
    spent = until - before
    idle = spent[:, 0] - spent[:, 1:].sum(axis=1)
    found = np.column_stack((spent[:, 1:], np.clip(idle, 0, None)))
    return np.where((spent[:, 0] >= 0)[:, None], found, -1)


def _between(meetings: _Meetings, earlier: Int64, later: Int64) -> Int64:
    """Time by cause from where the last had come to one row to the start of another of the same rank."""
    spent = np.clip(meetings.until[later] - meetings.since[earlier], 0, None)
    idle = np.clip(spent[:, 0] - spent[:, 1:].sum(axis=1), 0, None)
    return np.column_stack((spent[:, 1:], idle))


def _shares(wait_ns: Int64, excess: npt.NDArray[np.float64]) -> Int64:
    """Waits in proportion to the excess, last column: what nothing explains. Rows sum to the waits."""
    total = excess.sum(axis=1, keepdims=True)
    ratio = np.divide(excess, total, out=np.zeros_like(excess), where=total > 0)
    parts = np.floor(wait_ns[:, None] * ratio).astype(np.int64)
    left = wait_ns - parts.sum(axis=1)
    told = total[:, 0] > 0
    parts[told, excess.argmax(axis=1)[told]] += left[told]
    return np.column_stack((parts, np.where(told, 0, left)))


def _summed(charged: pd.DataFrame) -> dict[Cell, dict[str, int]]:
    steps = charged[charged["window"] != CAPTURE]
    every = pd.concat([charged.assign(window=CAPTURE), steps], ignore_index=True)
    sums = every.groupby(["window", "victim", "culprit"], sort=False)[list(CAUSES)].sum()
    return {
        (str(window), int(victim), int(culprit)): {
            cause: int(share) for cause, share in zip(CAUSES, shares, strict=True) if share
        }
        for (window, victim, culprit), shares in zip(sums.index, sums.to_numpy(np.int64), strict=True)
    }
