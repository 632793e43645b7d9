"""What communicates and which rows speak of it.

Takes a trace and the launches, gives one Sources a collective instance.

On a device: kernels told by metadata, launching operator or name, and copies issued by a collective that
ran no kernel (copy engines, async tensor parallelism). On the host: gloo's work, and where a device's events
were not recorded the calls alone, whose times nobody knows. Records without work of their own (`wait`,
`init`) are no instances.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from commscope.analysis.collectives.gloo_work import gloo_work
from commscope.analysis.collectives.operators import is_of_other_library, named_group, op_kind
from commscope.analysis.events import NONE, enclosing_rows, is_gloo_work, kernel_kind, range_kind, spoken_kind
from commscope.analysis.names import where_name
from commscope.schema import COLLECTIVE_RANGE, Collective, EventKind
from commscope.trace import Events, Int64, Mask, RankTrace

RECORD = "record_param_comms"


@dataclass(frozen=True, slots=True)
class Sources:
    """Rows of one instance: what ran, and the host events around what launched it, -1 where there is none."""

    work: tuple[int, ...]
    launch: int = NONE  # runtime call on a device, operator on the host
    record: int = NONE  # record_param_comms
    ours: int = NONE  # commscope:collective:
    operator: int = NONE  # c10d:: or symm_mem::
    mark: int = NONE  # nccl: and the like
    caller: int = NONE  # another library's operator that names the group
    calls: tuple[int, ...] = ()  # grouped c10d::send and recv_ that one kernel carries out
    is_call_only: bool = False  # `work` is the call: what it started was not recorded

    @property
    def issue(self) -> int:
        """The host row that stands for the call."""
        return next(
            (row for row in (self.operator, *self.calls, self.record, self.mark, self.launch) if row >= 0),
            NONE,
        )


def instance_sources(trace: RankTrace, launches: Int64) -> list[Sources]:
    """All instances of a rank, in no particular order."""
    device = [(work, int(launches[work[0]])) for work in device_work(trace.events, launches)]
    gloo = [(one.rows, one.op_row) for one in gloo_work(trace)]
    timed = _merged(trace.events, _surrounded(trace.events, device)) + _surrounded(trace.events, gloo)
    return timed if device or trace.events.on_device().any() else timed + _calls_alone(trace.events, timed)


def _calls_alone(events: Events, timed: list[Sources]) -> list[Sources]:
    """Calls the host recorded of collectives whose work was not: records of other backends than gloo.

    Where there is no record, as before torch 2.2 and with backends that write none, an operator is the call,
    else the range that the backend marks (`nccl:all_to_all`).
    """
    records = np.flatnonzero(
        events.is_kind(EventKind.OP) & where_name(events, lambda name: name == RECORD) & (events.comm_id >= 0)
    )
    told = [row for row in records.tolist() if _is_call(events, row)]
    claimed = {row for one in timed for row in (one.record, one.operator) if row >= 0}
    found = _surrounded(events, [((row,), row) for row in told])
    if not timed:
        found += _silent(events, _operators(events), records)
        found += _silent(events, _marks(events), np.array([one.work[0] for one in found], np.int64))
    return [
        replace(one, is_call_only=True)
        for one in found
        if one.record not in claimed and one.operator not in claimed
    ]


def _operators(events: Events) -> Int64:
    issuing = where_name(events, lambda name: name.startswith("c10d::") and op_kind(name) is not None)
    return np.flatnonzero(events.is_kind(EventKind.OP) & issuing)


def _marks(events: Events) -> Int64:
    return np.flatnonzero(events.is_kind(EventKind.ANNOTATION, EventKind.OP) & where_name(events, _is_mark))


def _silent(events: Events, rows: Int64, spoken: Int64) -> list[Sources]:
    """Those of some rows that stand neither around nor inside one which speaks for itself."""
    around, inside = enclosing_rows(events, rows, spoken), enclosing_rows(events, spoken, rows)
    silent = np.setdiff1d(rows[inside < 0], around).tolist()
    found = _surrounded(events, [((row,), row) for row in silent])
    return [
        replace(one, operator=row) if op_kind(events.name(row)) else replace(one, mark=row)
        for row, one in zip(silent, found, strict=True)
    ]


def _is_call(events: Events, row: int) -> bool:
    """Whether a record stands for communication of its own; `coalesced` ends a group of calls told before."""
    facts = events.facts(row)
    kind = None if facts is None else spoken_kind(facts.collective)
    return facts is not None and kind not in (None, Collective.SEND_RECV) and facts.group_size != 1


def _merged(events: Events, found: list[Sources]) -> list[Sources]:
    """NCCL may split one call into several kernels; those of one record that say the same are one."""
    calls: dict[tuple[object, ...], Sources] = {}
    for one in found:
        owner = one.record if one.record >= 0 else one.operator
        facts = events.facts(one.work[0])
        said = (facts.collective, facts.seq, facts.comms_id) if facts is not None else None
        key = (owner, said) if owner >= 0 else (NONE, one.work)
        known = calls.get(key)
        calls[key] = one if known is None else replace(known, work=(*known.work, *one.work))
    return list(calls.values())


def _surrounded(events: Events, groups: list[tuple[tuple[int, ...], int]]) -> list[Sources]:
    """The host events around each launch."""
    launch = np.array([row for _, row in groups], np.int64)
    speakers = _speakers(events)
    record, ours, operator, mark, caller = (_around(events, rows, launch).tolist() for rows in speakers)
    inside = _record_inside(events, speakers[0], speakers[2])
    return [
        Sources(
            work,
            row,
            record[i] if record[i] >= 0 else inside.get(operator[i], NONE),
            ours[i],
            operator[i],
            mark[i],
            caller[i],
        )
        for i, (work, row) in enumerate(groups)
    ]


def _record_inside(events: Events, records: Int64, operators: Int64) -> dict[int, int]:
    """Operator -> the one record inside it; some backends close theirs before they launch."""
    found: dict[int, list[int]] = {}
    for record, operator in zip(records, enclosing_rows(events, operators, records), strict=True):
        facts = events.facts(int(record))
        if operator >= 0 and facts is not None and spoken_kind(facts.collective):
            found.setdefault(int(operator), []).append(int(record))
    return {operator: inside[0] for operator, inside in found.items() if len(inside) == 1}


def _speakers(events: Events) -> tuple[Int64, Int64, Int64, Int64, Int64]:
    """Rows that can speak of a collective: records, our ranges, operators, marks, callers."""
    others = np.flatnonzero(events.is_kind(EventKind.OP) & where_name(events, is_of_other_library))
    op, mark = events.is_kind(EventKind.OP), events.is_kind(EventKind.ANNOTATION, EventKind.OP)
    return (
        np.flatnonzero(op & where_name(events, lambda name: name == RECORD)),
        np.flatnonzero(mark & where_name(events, lambda name: name.startswith(COLLECTIVE_RANGE))),
        np.flatnonzero(op & where_name(events, lambda name: op_kind(name) is not None)),
        _marks(events),
        np.array([row for row in others.tolist() if named_group(events.facts(row))], np.int64),
    )


def _is_mark(name: str) -> bool:
    return range_kind(name) is not None and not name.startswith(COLLECTIVE_RANGE) and not is_gloo_work(name)


def _around(events: Events, rows: Int64, launch: Int64) -> Int64:
    """The innermost of some rows around each launch: by time on its thread, else by its external id."""
    found = np.full(len(launch), NONE, np.int64)
    known = np.flatnonzero(launch >= 0)
    found[known] = enclosing_rows(events, rows, launch[known])
    lost = known[(found[known] < 0) & (events.external_id[launch[known]] >= 0)]
    if len(lost) and len(rows):
        by_id = {
            int(key): int(row) for row, key in zip(rows, events.external_id[rows], strict=True) if key >= 0
        }
        found[lost] = [by_id.get(int(key), NONE) for key in events.external_id[launch[lost]]]
    return found


def device_work(events: Events, launches: Int64) -> list[tuple[int, ...]]:
    """Rows of each collective on the device: mostly one kernel each."""
    kernels = np.flatnonzero(_communicating_kernels(events))
    alone = [(int(row),) for row in kernels]
    return alone + _issued_without_kernel(events, launches, kernels)


def _communicating_kernels(events: Events) -> Mask:
    kernel = events.is_kind(EventKind.KERNEL)
    told = np.array([bool(spoken_kind(facts.collective)) for facts in events.comms] + [False], bool)
    named = where_name(events, lambda name: kernel_kind(name) is not None)
    return np.asarray(kernel & (named | told[events.comm_id]), bool)


def _issued_without_kernel(events: Events, launches: Int64, kernels: Int64) -> list[tuple[int, ...]]:
    """Copies launched by a collective of which no kernel is known to communicate."""
    records = [
        row
        for row in np.flatnonzero(
            events.is_kind(EventKind.OP) & where_name(events, lambda name: name == RECORD)
        ).tolist()
        if _moves_by_copy(events, row)
    ]
    symmetric = np.flatnonzero(events.is_kind(EventKind.OP) & where_name(events, _is_symmetric))
    issuers = np.union1d(np.array(records, np.int64), symmetric)
    copies = np.flatnonzero(events.is_kind(EventKind.MEMCPY) & (launches >= 0))
    if not len(issuers) or not len(copies):
        return []
    busy = enclosing_rows(events, issuers, launches[kernels[launches[kernels] >= 0]])
    owners = enclosing_rows(events, issuers, launches[copies])
    free = (owners >= 0) & ~np.isin(owners, busy)
    return [tuple(copies[free][owners[free] == owner].tolist()) for owner in np.unique(owners[free])]


def _moves_by_copy(events: Events, row: int) -> bool:
    """A communicator of one rank copies too, which is no communication; only recent records name the size."""
    facts = events.facts(row)
    return facts is not None and spoken_kind(facts.collective) is not None and (facts.group_size or 1) > 1


def _is_symmetric(name: str) -> bool:
    return name.startswith("symm_mem::") and op_kind(name) is not None
