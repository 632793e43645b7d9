"""Gloo on the host: takes events, gives which `gloo:` work belongs to which c10d operator.

Nothing in a trace links the two. Work of one kind and one set of sizes runs in the order it was issued, so
operators and work are paired first in, first out within such a key, never work that began before its
operator. An operator on a list of scalars shows no sizes, nor does any list in old traces: it takes the
first work of its kind. reduce_scatter is not native: it runs as all_reduce of the whole input (or of each
of a list of inputs).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from commscope.analysis.collectives.operators import OpKind, OpSizes, op_kind, op_sizes
from commscope.analysis.events import enclosing_rows, is_gloo_work, range_kind
from commscope.analysis.names import where_name
from commscope.schema import Collective, EventKind
from commscope.trace import Events, Int64, RankTrace

Key = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Work:
    """One collective as gloo ran it: its events, and the operator that issued it where one was recorded."""

    rows: tuple[int, ...]
    op_row: int


def gloo_work(trace: RankTrace) -> list[Work]:
    """All gloo collectives of a rank, in the order their work began."""
    events = trace.events
    rows = np.flatnonzero(events.is_kind(EventKind.ANNOTATION, EventKind.OP) & where_name(events, _is_work))
    if not len(rows):
        return []
    ops = _op_rows(events)
    on_thread = enclosing_rows(events, ops, rows)  # send and recv run inside their operator
    work = [Work((int(row),), int(op)) for row, op in zip(rows, on_thread, strict=True) if op >= 0]
    taken = set(on_thread.tolist())
    free = rows[on_thread < 0]
    work += _paired(events, [int(op) for op in ops if int(op) not in taken], free, _part_count(trace))
    return sorted(work, key=lambda one: (int(events.start_ns[one.rows[0]]), one.rows[0]))


def _is_work(name: str) -> bool:
    return is_gloo_work(name) and range_kind(name) is not None


def _op_rows(events: Events) -> Int64:
    """Operators that issue work: the innermost ones, on every thread."""
    issuing = where_name(events, lambda name: name.startswith("c10d::") and op_kind(name) is not None)
    return np.flatnonzero(issuing & events.is_kind(EventKind.OP))


def _paired(events: Events, ops: list[int], rows: Int64, parts: int | None) -> list[Work]:
    queues = _Queues(events, rows)
    expected: dict[tuple[int, int], tuple[Key, ...]] = {}
    for op in ops:
        spoken = (int(events.name_id[op]), int(events.comm_id[op]))
        if spoken not in expected:
            expected[spoken] = tuple(_expected(events, op, parts))
    lists_recorded = any(_is_sized_list(events, op) for op in ops)
    work = []
    for op in ops:
        keys = expected[int(events.name_id[op]), int(events.comm_id[op])]
        after_ns = int(events.start_ns[op])
        found = [queues.take(key, after_ns, scalars=lists_recorded) for key in keys]
        taken = sorted(row for row in found if row is not None)
        if taken:
            work.append(Work(tuple(taken), op))
    return work + [Work((row,), -1) for row in queues.left()]


def _is_sized_list(events: Events, op: int) -> bool:
    kind, facts = op_kind(events.name(op)), events.facts(op)
    return kind is not None and kind.arguments == "L" and facts is not None and any(facts.shapes)


class _Queues:
    """Work that waits for its operator, by key, first in first out."""

    def __init__(self, events: Events, rows: Int64) -> None:
        self._start_ns = events.start_ns
        self._queues: dict[Key, list[int]] = defaultdict(list)
        for row in rows[::-1].tolist():
            self._queues[_work_key(events, row)].append(row)

    def take(self, key: Key, after_ns: int, *, scalars: bool) -> int | None:
        """The first work of a key from a time on; unknown sizes are any, or of scalars if only those hide."""
        name, sizes = key
        keys = [key]
        if not sizes and name != Collective.BARRIER:
            keys = [one for one in self._queues if one[0] == name and (not scalars or set(one[1]) <= {1})]
        found = [(position, one) for one in keys if (position := self._first(one, after_ns)) is not None]
        if not found:
            return None
        position, chosen = min(found, key=lambda item: self._start_ns[self._queues[item[1]][item[0]]])
        return self._queues[chosen].pop(position)

    def left(self) -> list[int]:
        """Work no operator was found for."""
        return [row for queue in self._queues.values() for row in queue]

    def _first(self, key: Key, after_ns: int) -> int | None:
        """Earlier work was issued before the capture began."""
        queue = self._queues.get(key, [])
        return next((i for i in range(len(queue) - 1, -1, -1) if self._start_ns[queue[i]] >= after_ns), None)


def _work_key(events: Events, row: int) -> Key:
    facts = events.facts(row)
    shapes = facts.shapes if facts is not None else ()
    return events.name(row).removeprefix("gloo:"), tuple(prod(shape) for shape in shapes)


def _expected(events: Events, op: int, parts: int | None) -> Iterator[Key]:
    """The work an operator starts."""
    kind = op_kind(events.name(op))
    assert kind is not None
    sizes = op_sizes(kind, events.facts(op))
    name = str(kind.collective)
    if kind.collective == Collective.REDUCE_SCATTER:
        yield from (("all_reduce", one) for one in _scattered(kind, sizes, parts))
    elif kind.collective == Collective.BARRIER:
        yield name, ()
    else:
        inputs = sizes.inputs if sizes.inputs is not None else sizes.outputs
        yield name, inputs or ()


def _scattered(kind: OpKind, sizes: OpSizes, parts: int | None) -> Iterator[tuple[int, ...]]:
    """reduce_scatter_ reduces n inputs, each as large as its output; the others their whole input."""
    if kind.arguments == "LN" and sizes.outputs is not None:
        yield from (sizes.outputs for _ in range(parts or 1))
    else:
        yield from ((size,) for size in sizes.inputs or ())


def _part_count(trace: RankTrace) -> int | None:
    """Ranks of the group, where every group of more than one rank has as many."""
    sizes = {len(group.ranks) for group in trace.groups if len(group.ranks) > 1}
    return sizes.pop() if len(sizes) == 1 else trace.world_size if not sizes else None
