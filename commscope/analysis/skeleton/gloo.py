"""The event-level graph of a rank without devices: threads that compute, and workers that communicate for
them.

Takes a RankTrace, its Attribution and instances; gives a FineGraph. What orders what:
- a calling thread is one chain: operators (compute), the time between them (host), and the time it stood
  blocked, which takes no time of its own but waits for each collective that ended in it;
- a thread that goes on after a pause follows whatever another calling thread did last in that pause;
- a collective starts on its worker after the operator that issued it and after the one before it on that
  worker;
- a collective that ran on a calling thread (point-to-point on gloo) is a piece of that thread's chain;
- after a collective that is known not to be asynchronous, its thread goes on no earlier than it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from commscope.analysis.attribution import Attribution
from commscope.analysis.intervals import holds
from commscope.analysis.launches.neighbours import before_on_lane
from commscope.analysis.result import Intervals, Window
from commscope.analysis.skeleton.event_graph import (
    BEGINS,
    COMPUTE,
    ENDS,
    HOST,
    HOSTS,
    LATENCY,
    TRANSFER,
    Draft,
    FineGraph,
    Label,
    Nodes,
)
from commscope.analysis.skeleton.host_work import Work, thread_work
from commscope.trace import Events, Int64, Mask, RankTrace


@dataclass(frozen=True, slots=True)
class Flights:
    """The collectives of a rank: the lane each ran on, the lane and time of its issue (-1), and its nodes."""

    start_ns: Int64
    end_ns: Int64
    lane: Int64
    caller: Int64
    issue_ns: Int64
    waited: Mask  # surely not asynchronous
    begin: Int64
    finish: Int64


@dataclass(frozen=True, slots=True)
class Chain:
    """One thread's points in order, with the nodes they are and what lies before each."""

    lane: int
    time_ns: Int64
    node: Int64
    paused: Mask  # nothing ran and nothing was waited for right before this point


def host_graph(
    trace: RankTrace, attribution: Attribution, instances: pd.DataFrame, windows: Sequence[Window]
) -> FineGraph:
    """The happens-before graph of a rank whose work runs on its host threads."""
    events = trace.events
    draft = Draft(min(window.start_ns for window in windows))
    flights = _flights(draft, events, attribution, instances)
    lanes = _calling_lanes(events, attribution, flights)
    chains = []
    for lane in lanes:
        thread = (lane, thread_work(events, attribution, lane))
        chains.append(_chain(draft, thread, (attribution, flights), windows if lane == lanes[0] else ()))
    _hand_over(draft, chains)
    _run_flights(draft, flights, chains)
    return draft.build()


def _flights(draft: Draft, events: Events, attribution: Attribution, instances: pd.DataFrame) -> Flights:
    rows, issues = attribution.instance_rows, attribution.issue_rows
    index = np.arange(len(rows))
    start, end = instances["start_ns"].to_numpy(np.int64), instances["end_ns"].to_numpy(np.int64)
    end = np.maximum(start, end)
    issued = issues >= 0
    begin = draft.add(Nodes(start, BEGINS, 2 * rows, index, kept=True, stretch=index))
    finish = np.empty_like(begin)
    for order, chosen in ((ENDS, end > start), (BEGINS, end == start)):
        finish[chosen] = draft.add(
            Nodes(end[chosen], order, 2 * rows[chosen] + 1, index[chosen], True, True, index[chosen])
        )
    draft.depend(begin, finish, Label(TRANSFER), end - start)
    return Flights(
        start_ns=start,
        end_ns=end,
        lane=events.lane_id[rows].astype(np.int64),
        caller=np.where(issued, events.lane_id[issues], -1).astype(np.int64),
        issue_ns=np.where(issued, events.start_ns[issues], -1),
        waited=instances["is_async"].eq(False).fillna(False).to_numpy(dtype=bool),
        begin=begin,
        finish=finish,
    )


def _calling_lanes(events: Events, attribution: Attribution, flights: Flights) -> list[int]:
    """Threads that compute or issue, the busiest first."""
    lanes = events.lane_id[attribution.busy == 1]
    counted = np.bincount(np.concatenate((lanes, flights.caller[flights.caller >= 0])).astype(np.int64))
    busiest = [int(lane) for lane in np.argsort(-counted, kind="stable") if counted[lane]]
    return busiest or [int(flights.lane[0])]


def _chain(
    draft: Draft, thread: tuple[int, Work], rank: tuple[Attribution, Flights], windows: Sequence[Window]
) -> Chain:
    """Adds one thread: a node at every change of what it does, at every issue, wait and mark."""
    (lane, work), (attribution, flights) = thread, rank
    blocked, issued = attribution.blocked, np.flatnonzero(flights.caller == lane)
    inline = np.flatnonzero(flights.lane == lane)
    marked = np.array([time for w in windows for time in (w.start_ns, w.end_ns)], dtype=np.int64)
    released = flights.end_ns[_ends_while_blocked(flights, blocked)]
    waits = [flights.start_ns[inline], flights.end_ns[inline], blocked.start_ns, blocked.end_ns, released]
    kept = np.unique(np.concatenate((flights.issue_ns[issued], marked)))
    time = np.unique(np.concatenate((work.start_ns, work.end_ns, kept, *waits)))
    known = np.where(flights.issue_ns >= 0, flights.issue_ns, flights.start_ns)
    stretch = np.searchsorted(np.sort(known), time)
    lost = np.flatnonzero(flights.caller < 0)
    left = np.searchsorted(time, flights.start_ns[lost], side="right") - 1
    keeps = np.isin(time, kept)
    keeps[left[left >= 0]] = True  # else every lost start would hang on every end before it
    node = draft.add(Nodes(time, HOSTS, np.full(len(time), lane), kept=keeps, stretch=stretch))
    at = dict(zip(time.tolist(), node.tolist(), strict=True))
    draft.marks.extend((w.name, at[w.start_ns], at[w.end_ns]) for w in windows)
    paused = _link(draft, (time, node), work, _waiting(time, attribution, flights, inline))
    _resume(draft, (time, node), flights, attribution, issued)
    place = np.searchsorted(time, flights.start_ns[inline])
    draft.depend(node[place], flights.begin[inline], Label(LATENCY))
    place = np.searchsorted(time, flights.end_ns[inline])
    draft.depend(flights.finish[inline], node[place], Label(LATENCY))
    return Chain(lane, time, node, paused)


def _waiting(time: Int64, attribution: Attribution, flights: Flights, inline: Int64) -> Mask:
    """For each point but the first: whether the thread waited right before it."""
    waiting = holds(attribution.blocked, time[:-1])
    for start, end in zip(flights.start_ns[inline].tolist(), flights.end_ns[inline].tolist(), strict=True):
        waiting[np.searchsorted(time, start) : np.searchsorted(time, end)] = True
    return waiting


def _link(draft: Draft, points: tuple[Int64, Int64], work: Work, waiting: Mask) -> Mask:
    """The chain's own edges; gives the points that follow a pause."""
    time, node = points
    if len(time) < 2:
        return np.zeros(len(time), dtype=bool)
    at = np.searchsorted(work.start_ns, time[:-1], side="right") - 1
    working = at >= 0
    working[working] = work.end_ns[at[working]] > time[:-1][working]
    following = np.minimum(np.where(working, at, at + 1), len(work.start_ns) - 1)
    phase, layer = (work.phase[following], work.layer[following]) if len(work.phase) else (-1, -1)
    working &= ~waiting
    gap = np.diff(time)
    label = Label(np.where(working, COMPUTE, HOST), phase, layer)
    draft.depend(node[:-1], node[1:], label, np.where(working, gap, 0))
    return np.concatenate(([True], ~working & ~waiting))


def _resume(
    draft: Draft, points: tuple[Int64, Int64], flights: Flights, attribution: Attribution, issued: Int64
) -> None:
    """A blocked thread goes on as each collective ends; what is surely waited for is, wherever it ends.

    Waits that touch are one blocked interval, and a wait may copy after its work has ended: neither the end
    of the interval nor that of the wait is when the thread was released.
    """
    if not len(flights.end_ns):
        return
    time, node = points
    ended = np.flatnonzero(_ends_while_blocked(flights, attribution.blocked))
    draft.depend(flights.finish[ended], node[np.searchsorted(time, flights.end_ns[ended])], Label(LATENCY))
    waited = issued[flights.waited[issued]]
    place = np.searchsorted(time, np.maximum(flights.end_ns[waited], flights.issue_ns[waited] + 1))
    inside = place < len(time)
    draft.depend(flights.finish[waited[inside]], node[place[inside]], Label(LATENCY))


def _ends_while_blocked(flights: Flights, blocked: Intervals) -> Mask:
    """Collectives that ended while a thread stood blocked, or as it went on."""
    before = np.searchsorted(blocked.start_ns, flights.end_ns, side="right") - 1
    ends = np.concatenate((blocked.end_ns, [np.iinfo(np.int64).min]))  # before the first, -1
    return ends[before] >= flights.end_ns


def _hand_over(draft: Draft, chains: list[Chain]) -> None:
    """A thread that goes on after a pause follows what another did last in that pause."""
    for chain in chains:
        own_before = np.concatenate(([np.iinfo(np.int64).min], chain.time_ns[:-1]))
        for other in chains:
            if other is chain:
                continue
            at = np.searchsorted(other.time_ns, chain.time_ns, side="right") - 1
            fits = chain.paused & (at >= 0)
            fits[fits] = other.time_ns[at[fits]] > own_before[fits]
            draft.depend(other.node[at[fits]], chain.node[fits], Label(HOST))


def _run_flights(draft: Draft, flights: Flights, chains: list[Chain]) -> None:
    """Issue, and the order on each worker; where the issue is unknown, the chain that did anything last."""
    delay = (flights.start_ns - flights.issue_ns)[flights.caller >= 0]
    nominal = int(min(delay[delay > 0], default=0))
    for chain in chains:
        mine = np.flatnonzero(flights.caller == chain.lane)
        place = np.searchsorted(chain.time_ns, flights.issue_ns[mine])
        draft.depend(chain.node[place], flights.begin[mine], Label(LATENCY), nominal)
        lost = np.flatnonzero(flights.caller < 0)
        at = np.searchsorted(chain.time_ns, flights.start_ns[lost], side="right") - 1
        draft.depend(np.where(at >= 0, chain.node[at], -1), flights.begin[lost], Label(LATENCY))
    before = before_on_lane(flights.lane, flights.start_ns)
    draft.depend(np.where(before >= 0, flights.finish[before], -1), flights.begin, Label(LATENCY))
