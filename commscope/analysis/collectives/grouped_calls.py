"""Point-to-point calls that were grouped: takes sources of kernels, gives them the calls they carry out.

Between ncclGroupStart and ncclGroupEnd send and recv only take note; one kernel launched at the end, outside
of all of them, does the work (torch's batch_isend_irecv). The calls of a group are those on the launching
thread since the communication launched before it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from commscope.analysis.collectives.evidence_rows import Sources
from commscope.analysis.collectives.operators import OpSizes, op_kind, op_sizes
from commscope.analysis.names import where_name
from commscope.schema import POINT_TO_POINT, Collective, EventKind
from commscope.trace import Events, Int64


def with_calls(events: Events, found: list[Sources]) -> list[Sources]:
    """The same sources, with `calls` where a kernel was launched outside of the calls it carries out."""
    alone = [one.launch for one in found if _is_alone(one)]
    calls = np.setdiff1d(_calls(events), [one.operator for one in found]) if alone else np.empty(0, np.int64)
    if not len(calls):
        return found
    launches = np.array([one.launch for one in found if one.launch >= 0], np.int64)
    return [
        replace(one, calls=_of(events, one.launch, launches, calls)) if _is_alone(one) else one
        for one in found
    ]


def _is_alone(one: Sources) -> bool:
    return one.launch >= 0 and one.record < 0 and one.operator < 0 and one.ours < 0


def _calls(events: Events) -> Int64:
    return np.flatnonzero(events.is_kind(EventKind.OP) & where_name(events, _is_call))


def _is_call(name: str) -> bool:
    kind = op_kind(name)
    return kind is not None and kind.collective in POINT_TO_POINT


def _of(events: Events, launch: int, launches: Int64, calls: Int64) -> tuple[int, ...]:
    lane, at = events.lane_id[launch], events.start_ns[launch]
    before = launches[(events.lane_id[launches] == lane) & (events.start_ns[launches] < at)]
    since = int(events.start_ns[before].max()) if len(before) else np.iinfo(np.int64).min
    start = events.start_ns[calls]
    return tuple(calls[(events.lane_id[calls] == lane) & (start > since) & (start < at)].tolist())


def kind_of_calls(events: Events, calls: tuple[int, ...]) -> Collective:
    """Send or recv where a group has only these."""
    kinds = {kind.collective for row in calls if (kind := op_kind(events.name(row)))}
    return kinds.pop() if len(kinds) == 1 else Collective.SEND_RECV


def sizes_of_calls(events: Events, calls: tuple[int, ...]) -> OpSizes:
    """Elements a group sends and elements it receives, by call."""
    sent: list[int] = []
    received: list[int] = []
    for row in calls:
        op = op_kind(events.name(row))
        sizes = op_sizes(op, events.facts(row)) if op else OpSizes(None, None)
        if op is None or sizes.inputs is None:
            return OpSizes(None, None)
        (sent if op.collective == Collective.SEND else received).extend(sizes.inputs)
    return OpSizes(tuple(sent), tuple(received))
