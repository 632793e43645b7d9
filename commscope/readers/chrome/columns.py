"""Columns of one rank: takes batches of decoded events, gives Events.

Names, lanes and facts are stored once each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from commscope.core import core
from commscope.readers.chrome.beside_events import Told, args_of, raws_of
from commscope.readers.chrome.categories import ON_DEVICE, kind_of, lane_of
from commscope.readers.chrome.event import Args, Event
from commscope.readers.chrome.split import Batch
from commscope.readers.chrome.timestamps import times_of
from commscope.readers.files.claims import MOST_LISTED
from commscope.readers.files.values import as_int
from commscope.readers.names.communication import facts_of, speaks_of_communication
from commscope.readers.names.products import multiplies
from commscope.schema import NO_VALUE, EventKind
from commscope.trace import CommFacts, Events, Int32, Int64, Lane, Mask, MemorySample, SyncFacts

NO_ARGS = Args()
FEW_MEMBERS = 256


@dataclass(frozen=True, slots=True)
class Chunk:
    """Columns of one batch, before times get their base."""

    start_ns: Int64
    length_ns: Int64
    kind: Any
    name_id: Int32
    lane_id: Int32
    comm_id: Int32
    numbers: tuple[Int64, ...]  # correlation, external id, sequence, forward thread, size


class _Ids(dict[Any, int]):
    """Gives every new key the next number."""

    def __missing__(self, key: Any) -> int:
        self[key] = number = len(self)
        return number


class Columns:
    """Gathers batches; `finish` makes the frozen columns. One use."""

    def __init__(self, chosen: Callable[[Event], bool] | None = None) -> None:
        self._chosen = chosen
        self._names = _Ids()
        self._places = _Ids()  # (pid, tid, cat): decides kind and lane
        self._place_kind: list[int] = []
        self._place_lane: list[int] = []
        self._lanes: dict[tuple[Any, Any, bool], Lane] = {}
        self._lane_ids = _Ids()
        self._facts = _Ids()
        self._large_groups: set[tuple[int, ...]] = set()
        self._speaks: list[bool] = []
        self._chunks: list[Chunk] = []
        self._syncs: list[tuple[int, int, int, int]] = []
        self._rows = 0
        self.told = Told()
        self.counts: dict[str, int] = {"events": 0, "bad": 0, "negative_duration": 0, "no_duration": 0}
        self.other: dict[str, int] = {}

    def add(self, batch: Batch) -> None:
        """Takes one batch."""
        phases = [event.ph for event in batch.events]
        rows = [event for event in batch.events if event.ph == "X"]
        if len(rows) + phases.count("s") + phases.count("f") != len(phases):
            self.told.add(batch, phases)
        if not rows:
            return
        places = _complete_places(phases)
        where = np.array([self._places[row.pid, row.tid, row.cat] for row in rows], dtype=np.int64)
        if len(self._places) > len(self._place_kind):
            self._learn(rows, where)
        kind = np.array(self._place_kind, dtype=np.int16)[where]
        times = times_of(rows, places, batch.text)
        keep = times.fine & (kind >= 0)
        self.counts["bad"] += int((~times.fine & (kind >= 0)).sum())
        if self._chosen is not None:
            keep &= np.array([self._chosen(row) for row in rows], dtype=bool)
        self.counts["negative_duration"] += times.negative
        self.counts["no_duration"] += times.missing
        if not keep.all():
            self._count_other(rows, kind)
            kept = np.flatnonzero(keep)
            rows = [rows[row] for row in kept.tolist()]
            places, where, kind = places[kept], where[kept], kind[kept]
        self._append(batch, rows, places, (times.start_ns[keep], times.length_ns[keep], kind, where))

    def _count_other(self, rows: list[Event], kind: Any) -> None:
        for row in np.flatnonzero(kind < 0).tolist():
            cat = rows[row].cat or ""
            if cat != "Trace":
                self.other[cat] = self.other.get(cat, 0) + 1

    def append(self, chunk: Chunk, syncs: Iterable[tuple[int, bytes]] = ()) -> None:
        """Takes columns, and the arguments of synchronisations by row in them."""
        self._syncs += [
            (self._rows + row, *_sync_of(args_of(b'{"args":%b}' % (args or b"null")))) for row, args in syncs
        ]
        self._chunks.append(chunk)
        self._rows += len(chunk.start_ns)
        self.counts["events"] += len(chunk.start_ns)

    def name_of(self, name: str) -> tuple[int, bool]:
        """Number of a name, and whether its arguments are kept: of communication, and of products."""
        number = self._names[name]
        self._hear()
        return number, self._speaks[number]

    def place_of(self, row: Event) -> tuple[int, int]:
        """Kind and lane of an event; kind is negative where it is none of ours."""
        place = self._places[row.pid, row.tid, row.cat]
        if place == len(self._place_kind):
            self._learn([row], np.array([place]))
        return self._place_kind[place], self._place_lane[place]

    def comm_of(self, name: str, args: dict[str, Any]) -> int:
        """Number of the facts that an event carries, NO_VALUE for none."""
        facts = facts_of(name, args)
        return NO_VALUE if facts is None else self._facts[self._bounded(facts)]

    def _hear(self) -> None:
        if len(self._names) > len(self._speaks):
            new = list(islice(self._names, len(self._speaks), None))
            self._speaks += [speaks_of_communication(name) or multiplies(name) for name in new]

    def _append(self, batch: Batch, rows: list[Event], places: Int64, columns: tuple[Any, ...]) -> None:
        start_ns, length_ns, kind, where = columns
        if not rows:
            return
        name_id = np.array([self._names[row.name] for row in rows], dtype=np.int32)
        self._hear()
        lane_id = np.array(self._place_lane, dtype=np.int32)[where]
        args = [row.args or NO_ARGS for row in rows]
        told = np.array([item.collective is not None for item in args], dtype=bool)
        told |= np.array(self._speaks, dtype=bool)[name_id]
        comm_id = self._comm_ids(batch, places, told, kind)
        self.append(
            Chunk(start_ns, length_ns, kind.astype(np.uint8), name_id, lane_id, comm_id, _numbers(args))
        )

    def _learn(self, rows: list[Event], where: Int64) -> None:
        """Kind and lane of every (pid, tid, cat) seen for the first time."""
        first = {place: row for row, place in reversed(list(enumerate(where.tolist())))}
        for place, (pid, tid, cat) in list(enumerate(self._places))[len(self._place_kind) :]:
            kind = kind_of(cat)
            on_device = kind in ON_DEVICE
            key = (pid, tid, on_device)
            if key not in self._lanes:
                self._lanes[key] = lane_of(rows[first[place]], on_device)
            self._place_kind.append(kind)
            self._place_lane.append(self._lane_ids[key])

    def _comm_ids(self, batch: Batch, places: Int64, told: Mask, kind: Any) -> Int32:
        comm_id = np.full(len(places), NO_VALUE, dtype=np.int32)
        is_sync = kind == int(EventKind.SYNC)
        wanted = np.flatnonzero(told | is_sync)
        if not len(wanted):
            return comm_id
        raws = raws_of(batch)
        for row in wanted.tolist():
            place = int(places[row])
            args = args_of(raws[place])
            if is_sync[row]:
                self._syncs.append((self._rows + row, *_sync_of(args)))
                continue
            comm_id[row] = self.comm_of(batch.events[place].name, args)
        return comm_id

    def _bounded(self, facts: CommFacts) -> CommFacts:
        """The facts without their members where a file names more large groups than it can mean."""
        members = facts.group_ranks
        if members is None or len(members) <= FEW_MEMBERS or members in self._large_groups:
            return facts
        if sum(map(len, self._large_groups)) + len(members) > MOST_LISTED:
            return replace(facts, group_ranks=None)
        self._large_groups.add(members)
        return facts

    def finish(self, base_ns: int) -> tuple[Events, tuple[SyncFacts, ...], tuple[MemorySample, ...]]:
        """The columns of everything taken, sorted by (start_ns, -end_ns), `base_ns` added to all times."""
        start_ns = self._column("start_ns", np.int64)
        start_ns += base_ns
        end_ns = self._column("length_ns", np.int64)
        end_ns += start_ns
        order = _order(start_ns, end_ns)
        numbers = [_in_order(self._number(at), order) for at in range(5)]
        events = Events(
            start_ns=_in_order(start_ns, order),
            end_ns=_in_order(end_ns, order),
            kind=_in_order(self._column("kind", np.uint8), order),
            name_id=_in_order(self._column("name_id", np.int32), order),
            lane_id=_in_order(self._column("lane_id", np.int32), order),
            correlation=numbers[0],
            external_id=numbers[1],
            sequence=numbers[2],
            forward_thread=numbers[3],
            size_bytes=numbers[4],
            comm_id=_in_order(self._column("comm_id", np.int32), order),
            names=tuple(self._names),
            lanes=self._labelled_lanes(),
            comms=tuple(self._facts),
        )
        memory = tuple(MemorySample(time + base_ns, *rest) for time, *rest in sorted(self.told.memory))
        return events, self._placed_syncs(order), memory

    def _placed_syncs(self, order: Int64 | None) -> tuple[SyncFacts, ...]:
        if order is None or not self._syncs:
            return tuple(SyncFacts(*sync) for sync in self._syncs)
        place_of = np.empty(len(order), dtype=np.int64)
        place_of[order] = np.arange(len(order))
        return tuple(SyncFacts(int(place_of[row]), *rest) for row, *rest in self._syncs)

    def _column(self, name: str, dtype: Any) -> Any:
        return _joined([getattr(chunk, name) for chunk in self._chunks], dtype)

    def _number(self, at: int) -> Int64:
        joined: Int64 = _joined([chunk.numbers[at] for chunk in self._chunks], np.int64)
        return joined

    def _labelled_lanes(self) -> tuple[Lane, ...]:
        lanes = []
        for pid, tid, on_device in self._lane_ids:
            lane = self._lanes[pid, tid, on_device]
            label = self.told.thread_names.get((pid, tid), "")
            lanes.append(Lane(lane.process, lane.thread, lane.device, lane.stream, label))
        return tuple(lanes)


def _complete_places(phases: list[str]) -> Int64:
    joined = "".join(phases)
    if len(joined) == len(phases) and joined.isascii():
        return np.flatnonzero(np.frombuffer(joined.encode(), dtype=np.uint8) == ord("X"))
    return np.array([place for place, phase in enumerate(phases) if phase == "X"], dtype=np.int64)


def _order(start_ns: Int64, end_ns: Int64) -> Int64 | None:
    """Rows by (start_ns, -end_ns), of equal ones the first first; None where they stand so."""
    later = start_ns[1:] > start_ns[:-1]
    if (later | ((start_ns[1:] == start_ns[:-1]) & (end_ns[1:] <= end_ns[:-1]))).all():
        return None
    native = core()
    if native is None:
        return np.lexsort((-end_ns, start_ns))
    order: Int64 = np.frombuffer(native.order(start_ns, end_ns), np.int64)
    return order


def _in_order(column: Any, order: Int64 | None) -> Any:
    return column if order is None else column[order]


def _joined(parts: list[Any], dtype: Any) -> Any:
    """One column of its own, to be written in."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)


def _numbers(args: list[Args]) -> tuple[Int64, ...]:
    external = _int_column([item.external_id for item in args])
    if (external < 0).any():
        old = _int_column([item.old_external_id for item in args])
        external = np.where(external < 0, old, external)
    return (
        _int_column([item.correlation for item in args]),
        external,
        _int_column([item.sequence for item in args]),
        _int_column([item.forward_thread for item in args]),
        _int_column([item.size for item in args]),
    )


def _int_column(values: list[Any]) -> Int64:
    """Integers; anything else, and every negative number, becomes NO_VALUE."""
    try:
        column = np.array(values, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        column = np.array([_odd(value) for value in values], dtype=np.int64)
    column[column < 0] = NO_VALUE
    return column


def _odd(value: Any) -> int:
    number = as_int(value)
    return NO_VALUE if number is None else number


def _sync_of(args: dict[str, Any]) -> tuple[int, int, int]:
    def number(key: str) -> int:
        value = as_int(args.get(key))
        return NO_VALUE if value is None or value < 0 else value

    return number("stream"), number("wait_on_stream"), number("wait_on_cuda_event_record_corr_id")
