"""The table of collective instances of one rank.

Takes sources and what each event is part of, gives schema.INSTANCE_COLUMNS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from commscope.analysis.attribution import PHASES
from commscope.analysis.collectives.evidence_rows import Sources
from commscope.analysis.collectives.facts import Groups, Told, groups_of, told_of
from commscope.analysis.collectives.gradient_messages import Message, message_phases
from commscope.analysis.collectives.roles import roles_by_shape
from commscope.analysis.events import enclosing_rows
from commscope.analysis.group_roles import role_of
from commscope.analysis.names import where_match
from commscope.analysis.result import Window
from commscope.readers.names.phases import ACCUMULATE_NODE, BACKWARD_NODE
from commscope.schema import (
    CAPTURE,
    INSTANCE_COLUMNS,
    NO_VALUE,
    POINT_TO_POINT,
    Collective,
    EventKind,
    Phase,
    Role,
)
from commscope.trace import CommFacts, Events, Int32, Int64, RankTrace


@dataclass(frozen=True, slots=True)
class Placing:
    """What each event is part of, as far as the table needs it."""

    phase: npt.NDArray[np.int8]
    layer: Int32
    microbatch: Int32
    window: Int32
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Instances:
    """All instances of a rank in the order of their issue, else of their start."""

    sources: list[Sources]
    told: list[Told]
    start_ns: Int64
    end_ns: Int64
    work_rows: Int64  # the first row that ran
    issue_rows: Int64  # -1 where unknown


def ordered_instances(trace: RankTrace, sources: list[Sources]) -> Instances:
    """What is known of each instance."""
    events = trace.events
    start = np.array([events.start_ns[list(one.work)].min() for one in sources], np.int64)
    end = np.array([events.end_ns[list(one.work)].max() for one in sources], np.int64)
    issue = np.array([one.issue for one in sources], np.int64)
    issued = np.where(issue >= 0, events.start_ns[issue], start) if len(sources) else start
    told = _told(events, sources, groups_of(trace.groups, trace.rank))
    numbers = np.array([NO_VALUE if one.seq is None else one.seq for one in told], np.int64)
    sizes = np.array([NO_VALUE if one.payload_bytes is None else one.payload_bytes for one in told], np.int64)
    order = np.lexsort((sizes, numbers, end, start, issued))  # the last two only where all times are equal
    ordered = [sources[i] for i in order]
    return Instances(
        ordered,
        [told[i] for i in order],
        start[order],
        end[order],
        np.array([one.work[0] for one in ordered], np.int64),
        issue[order],
    )


def _told(events: Events, sources: list[Sources], groups: Groups) -> list[Told]:
    """Many instances say the same but for their numbers, so each distinct saying is judged once."""
    plain = _without_numbers(events.comms)
    judged: dict[tuple[tuple[int, int], ...], Told] = {}
    result = []
    for one in sources:
        rows = (one.work[0], one.record, one.ours, one.operator, one.mark, *one.calls, one.caller)
        key = tuple(
            (int(events.name_id[row]), plain[events.comm_id[row]]) if row >= 0 else (NO_VALUE, NO_VALUE)
            for row in rows
        )
        known = judged.get(key)
        if known is None:
            known = judged[key] = told_of(events, one, groups)
        result.append(_numbered(known, events, rows))
    return result


def _without_numbers(comms: tuple[CommFacts, ...]) -> list[int]:
    """An identity of each record of facts but for what differs in every instance; the last is for none.

    Old layouts say the sequence number among the Concrete Inputs; elsewhere those tell peers and groups.
    """
    known: dict[CommFacts, int] = {}
    same = [
        known.setdefault(
            replace(facts, seq=None, comms_id=None, concrete=facts.concrete if facts.seq is None else ()),
            len(known),
        )
        for facts in comms
    ]
    return [*same, NO_VALUE]


def _numbered(told: Told, events: Events, rows: tuple[int, ...]) -> Told:
    """The same with this instance's own sequence number and id."""
    if told.seq is None and told.comms_id is None:
        return told
    speaking = [facts for row in rows[:3] if row >= 0 and (facts := events.facts(row)) is not None]
    return replace(
        told,
        seq=next((facts.seq for facts in speaking if facts.seq is not None), None),
        comms_id=next((facts.comms_id for facts in speaking if facts.comms_id is not None), None),
    )


def instance_table(trace: RankTrace, instances: Instances, placing: Placing) -> pd.DataFrame:
    """One row an instance, columns and dtypes as in the schema."""
    events, work, told = trace.events, instances.work_rows, instances.told
    at = np.where(instances.issue_rows >= 0, instances.issue_rows, work)
    ways = _ways(events, instances, placing, at)
    phase = _phases(instances, placing, ways)
    placed = {**dict.fromkeys(_of_gradients(events, instances), Role.DP), **dict.fromkeys(ways, Role.PP)}
    steps = [*(window.name for window in placing.windows), CAPTURE]
    said = {name: [getattr(one, name) for one in told] for name in _TOLD}
    columns: dict[str, Any] = {
        "rank": trace.rank,
        "index": np.arange(len(told)),
        "start_ns": instances.start_ns,
        "end_ns": instances.end_ns,
        "issue_ns": _nullable(events.start_ns[at], instances.issue_rows >= 0),
        "window": [steps[code] for code in placing.window[at]],
        "phase": phase,
        "role": _roles(told, phase, [steps[code] for code in placing.window[at]], placed),
        "layer": _nullable(placing.layer[work], placing.layer[work] >= 0),
        "microbatch": _nullable(placing.microbatch[work], placing.microbatch[work] >= 0),
        "is_p2p": [one.collective in POINT_TO_POINT for one in told],
        "stream": [_lane_name(events, row) for row in work],
        "name": [events.name(row) for row in work],
        "is_call_only": [one.is_call_only for one in instances.sources],
        **said,
    }
    index = pd.RangeIndex(len(told))
    return pd.DataFrame(
        {name: _column(columns[name], dtype, index) for name, dtype in INSTANCE_COLUMNS.items()}
    )


def _ways(events: Events, instances: Instances, placing: Placing, at: Int64) -> dict[int, Phase]:
    """Messages between stages of a pipeline, and what they carry: activations forward, gradients backward."""
    messages = [
        Message(n, one.collective, one.peer, int(placing.window[at[n]]), int(events.start_ns[at[n]]))
        for n, one in enumerate(instances.told)
        if one.collective in (Collective.SEND, Collective.RECV) and one.peer is not None
    ]
    if not messages:
        return {}
    nodes = events.is_kind(EventKind.OP, EventKind.ANNOTATION) & where_match(events, BACKWARD_NODE)
    return message_phases(messages, events.start_ns[nodes])


def _phases(instances: Instances, placing: Placing, ways: dict[int, Phase]) -> list[str | None]:
    """By the call, and for messages of a pipeline placed by their position only by the way they go."""
    names = [*(str(phase) for phase in PHASES), None]
    phase = [names[one] for one in placing.phase[instances.work_rows]]
    for n, way in ways.items():
        if phase[n] in _PLACED:
            phase[n] = str(way)
    return phase


def _of_gradients(events: Events, instances: Instances) -> list[int]:
    """All-reduces that a hook of a parameter's gradient issued, as the reducer of DDP does."""
    reductions = [n for n, one in enumerate(instances.told) if one.collective == Collective.ALL_REDUCE]
    issued = [n for n in reductions if instances.issue_rows[n] >= 0]
    nodes = np.flatnonzero(
        events.is_kind(EventKind.OP, EventKind.ANNOTATION) & where_match(events, ACCUMULATE_NODE)
    )
    around = enclosing_rows(events, nodes, instances.issue_rows[np.array(issued, np.int64)])
    return [n for n, node in zip(issued, around, strict=True) if node >= 0]


_PLACED = (Phase.FORWARD, Phase.OTHER)  # what a position in the step may say


def _roles(
    told: list[Told], phases: list[str | None], windows: list[str], placed: dict[int, Role]
) -> list[str | None]:
    shaped = placed | roles_by_shape(told, phases, windows)
    said = (
        role_of(one.role, one.description, one.collective, p) for one, p in zip(told, phases, strict=True)
    )
    return [role or shaped.get(i) for i, role in enumerate(said)]


_TOLD = (
    "collective",
    "group",
    "group_size",
    "group_ranks",
    "seq",
    "comms_id",
    "peer",
    "peer_place",
    "tag",
    "dtype",
    "elements",
    "payload_bytes",
    "wire_bytes",
    "is_async",
    "evidence",
)


def _nullable(values: npt.NDArray[Any], known: npt.NDArray[np.bool_]) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(values.astype(np.int64), ~known)


def _column(values: Any, dtype: str, index: pd.RangeIndex) -> pd.Series[Any]:
    if dtype == "str":
        values = [None if value is None else str(value) for value in values]
    return pd.Series(values, index=index, dtype=dtype)


def _lane_name(events: Events, row: int) -> str:
    lane = events.lanes[events.lane_id[row]]
    return f"stream {lane.stream}" if lane.stream >= 0 else lane.thread
