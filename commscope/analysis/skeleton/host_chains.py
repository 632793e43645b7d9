"""Orders the calls of the host threads of one rank.

A call comes after the call before it on its thread. Where another thread made the call before it while this
one ran no operator, it comes after that one too: so the autograd thread follows the main thread into the
backward, and the main thread follows it out again. The first call of a thread comes after the first thing
the host did at all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from commscope.analysis.attribution import Attribution
from commscope.analysis.intervals import holds, union_of
from commscope.analysis.launches.calls import Calls
from commscope.analysis.launches.neighbours import before_on_lane
from commscope.analysis.skeleton.event_graph import HOST, HOSTS, ROOT, Draft, Label, Nodes
from commscope.schema import EventKind
from commscope.trace import Events, Int64


def chain_calls(draft: Draft, events: Events, attribution: Attribution, calls: Calls) -> Calls:
    """Adds the calls' nodes and order; gives the calls with their nodes. When they return says `blocking`."""
    stretch = np.where(calls.issues >= 0, calls.issues, -1)
    begin = draft.add(Nodes(calls.start_ns, HOSTS, 2 * calls.row, kept=calls.issues >= 0, stretch=stretch))
    finish = np.full(len(begin), -1)
    blocks = calls.blocks
    finish[blocks] = draft.add(Nodes(calls.end_ns[blocks], HOSTS, 2 * calls.row[blocks] + 1))
    calls = replace(calls, begin=begin, finish=finish)
    label = Label(HOST, attribution.phase[calls.row], attribution.layer[calls.row])
    left = np.where(blocks, finish, begin)
    own = before_on_lane(calls.lane, calls.start_ns)
    draft.depend(np.where(own >= 0, left[own], ROOT), begin, label)
    other = _handed_over(events, calls, own)
    draft.depend(np.where(other >= 0, left[other], -1), begin, label)
    return calls


def _handed_over(events: Events, calls: Calls, own: Int64) -> Int64:
    """For each call: the call right before it, if another thread made it while this one ran no operator."""
    before = np.arange(len(own)) - 1
    other = np.where((before >= 0) & (before != own), before, -1)
    left_ns = np.where(calls.blocks, calls.end_ns, calls.start_ns)
    for lane in np.unique(calls.lane):
        mine = np.flatnonzero((calls.lane == lane) & (other >= 0))
        ops = np.flatnonzero(events.is_kind(EventKind.OP) & (events.lane_id == lane))
        busy = union_of(events.start_ns[ops], events.end_ns[ops])
        other[mine[holds(busy, left_ns[other[mine]])]] = -1
    return other
