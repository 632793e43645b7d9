"""nsys SQLite exports (schema 3.x): takes a file and a process and device in it, gives a RankTrace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from commscope.readers.files.columns import Rows, Tables, assemble
from commscope.readers.nsys import tables
from commscope.readers.nsys.communicators import communicators
from commscope.readers.nsys.gaps import Found, gaps_of
from commscope.readers.nsys.nvtx import Range, parse_payload, parse_range
from commscope.readers.nsys.sqlite_file import MAGIC, Database, database
from commscope.readers.nsys.stream_waits import WANTED, awaited
from commscope.schema import NO_VALUE, EventKind, Source
from commscope.trace import Int64, Lane, Mask, RankPart, RankTrace, RunInfo, SyncFacts

NAME = "nsys"
COPY_KINDS = {
    1: "HtoD",
    2: "DtoH",
    3: "HtoA",
    4: "AtoH",
    5: "AtoA",
    6: "AtoD",
    7: "DtoA",
    8: "DtoD",
    9: "HtoH",
    10: "PtoP",
}
SYNC_KINDS = {
    1: "Event Synchronize",
    2: "Stream Wait Event",
    3: "Stream Synchronize",
    4: "Context Synchronize",
}


def sniff(path: Path, head: bytes) -> bool:
    """Whether a file is SQLite; whether nsys wrote it shows when it is opened."""
    del path
    return head.startswith(MAGIC)


def read(part: RankPart, info: RunInfo) -> RankTrace:
    """One rank's trace. Raises UnreadableTrace where the file is damaged."""
    process, _, device = part.selector.partition(":")
    member = tables.Member(int(process), int(device))
    with database(part.path) as base:
        return _Reading(base, member, part, info).trace()


class _Reading:
    """State of reading one rank."""

    def __init__(self, base: Database, member: tables.Member, part: RankPart, info: RunInfo) -> None:
        self.base, self.member, self.part, self.info = base, member, part, info
        self.table = Tables()
        self.strings = tables.strings(base)
        self.epoch_ns, self.has_epoch = tables.session_start(base)
        self.communicators = communicators(base)
        self.bad = self.negative = 0

    def trace(self) -> RankTrace:
        parts = [self._kernels(), self._copies(), self._sets(), self._graphs()]
        device_rows = [len(part.start_ns) for part in parts]
        waits, waited_on = self._syncs()
        parts += [self._runtime(), *self._ranges(), waits]
        events, order = assemble(parts, self.table)
        found = Found(
            self.has_epoch,
            kernels=device_rows[0] + device_rows[-1],
            on_device=sum(device_rows),
            has_nvtx=bool(self.base.columns(tables.NVTX)),
            negative=self.negative,
            bad=self.bad,
        )
        first = len(order) - len(waited_on)  # the waits are the last of the parts
        syncs = tuple(
            SyncFacts(row, events.lanes[events.lane_id[row]].stream, *waited_on[int(order[row]) - first])
            for row in np.flatnonzero(events.kind == int(EventKind.SYNC)).tolist()
        )
        names = [name for name in events.names if name.lower().startswith(("nccl", "ncclkernel"))]
        return RankTrace(
            rank=self.part.rank,
            events=events,
            source=Source.NSYS,
            backend="nccl" if names else self.info.backend,
            world_size=self.info.world_size or self.communicators.world_size,
            host=tables.host(self.base),
            groups=self.info.groups,
            devices=tables.devices(self.base),
            versions=tables.versions(self.base),
            gaps=gaps_of(self.part.rank, found),
            syncs=syncs,
            read_counts={"events": len(order), "bad": self.bad, "salvaged": 0, "truncated": 0, "other": 0},
        )

    def _on_device(self, table: str, more: tuple[str, ...]) -> Int64:
        """start, end, stream, correlation and more, of this member only."""
        where = [part for part in [self._of_process(table)] if part]
        # Synchronisation records name device 0 whatever the device.
        if "deviceId" in self.base.columns(table) and table != tables.SYNCS:
            where.append(f"CAST(deviceId AS INTEGER) = {self.member.device}")
        wanted = ("start", "end", "streamId", "correlationId", *more)
        return self._fine(self.base.integers(table, wanted, " AND ".join(where)))

    def _of_process(self, table: str) -> str:
        if "globalPid" not in self.base.columns(table) or self.member.process < 0:
            return ""
        return f"CAST(globalPid AS INTEGER) = {self.member.process}"

    def _fine(self, rows: Int64) -> Int64:
        """Rows with usable times; one that ends before it starts gets length 0."""
        fine = _usable(rows)
        self.bad += int((~fine).sum())
        rows = rows[fine]
        self.negative += int((rows[:, 1] < rows[:, 0]).sum())
        rows[:, 1] = np.maximum(rows[:, 0], rows[:, 1])
        rows[:, :2] += self.epoch_ns
        return rows

    def _device_rows(
        self, rows: Int64, kind: EventKind, name_id: Int64, size_bytes: Int64 | None = None
    ) -> Rows:
        process = str(tables.pid(self.member.process))
        lanes = {
            stream: self.table.lane(
                Lane(process, f"stream {stream}", self.member.device, stream, f"stream {stream}")
            )
            for stream in np.unique(rows[:, 2]).tolist()
        }
        lane_id = np.array([lanes[stream] for stream in rows[:, 2].tolist()], dtype=np.int64)
        kinds = np.full(len(rows), int(kind), dtype=np.int64)
        return Rows(
            rows[:, 0], rows[:, 1], kinds, name_id, lane_id, correlation=rows[:, 3], size_bytes=size_bytes
        )

    def _named(self, ids: Int64, otherwise: str) -> Int64:
        """Numbers of names given as keys of StringIds."""
        table = {key: self.table.name(self.strings.get(key, otherwise)) for key in np.unique(ids).tolist()}
        return np.array([table[key] for key in ids.tolist()], dtype=np.int64)

    def _kernels(self) -> Rows:
        rows = self._on_device(tables.KERNELS, ("demangledName", "shortName"))
        ids = np.where(rows[:, 4] >= 0, rows[:, 4], rows[:, 5])
        return self._device_rows(rows, EventKind.KERNEL, self._named(ids, "kernel without a name"))

    def _copies(self) -> Rows:
        rows = self._on_device(tables.COPIES, ("copyKind", "bytes"))
        names = [f"Memcpy {COPY_KINDS.get(kind, 'unknown')}" for kind in rows[:, 4].tolist()]
        return self._device_rows(rows, EventKind.MEMCPY, self._numbers(names), rows[:, 5])

    def _sets(self) -> Rows:
        rows = self._on_device(tables.SETS, ("bytes",))
        return self._device_rows(rows, EventKind.MEMSET, self._numbers(["Memset"] * len(rows)), rows[:, 4])

    def _graphs(self) -> Rows:
        rows = self._on_device(tables.GRAPHS, ("graphId",))
        names = [f"CUDA graph {graph}" for graph in rows[:, 4].tolist()]
        return self._device_rows(rows, EventKind.GRAPH, self._numbers(names))

    def _syncs(self) -> tuple[Rows, list[tuple[int, int]]]:
        """Synchronisation records, and what each waited on."""
        rows = self._on_device(tables.SYNCS, WANTED)
        waited_on = awaited(self.base, rows, self._of_process(tables.RECORDS))
        rows[rows[:, 2] == tables.ALL_STREAMS, 2] = NO_VALUE
        names = [SYNC_KINDS.get(kind, "Synchronize") for kind in rows[:, 4].tolist()]
        return self._device_rows(rows, EventKind.SYNC, self._numbers(names)), waited_on

    def _numbers(self, names: list[str]) -> Int64:
        return np.array([self.table.name(name) for name in names], dtype=np.int64)

    def _runtime(self) -> Rows:
        rows = self._fine(
            self.base.integers(
                tables.RUNTIME,
                ("start", "end", "globalTid", "correlationId", "nameId"),
                self._mine(tables.RUNTIME),
            )
        )
        kinds = np.full(len(rows), int(EventKind.RUNTIME), dtype=np.int64)
        name_id = self._named(rows[:, 4], "CUDA call without a name")
        return Rows(
            rows[:, 0], rows[:, 1], kinds, name_id, self._thread_lanes(rows[:, 2]), correlation=rows[:, 3]
        )

    def _mine(self, table: str) -> str:
        if "globalTid" not in self.base.columns(table) or self.member.process < 0:
            return ""
        process = self.member.process >> tables.THREAD_BITS
        return f"(CAST(globalTid AS INTEGER) >> {tables.THREAD_BITS}) = {process}"

    def _thread_lanes(self, threads: Int64) -> Int64:
        lanes = {thread: self.table.lane(self._thread(thread)) for thread in np.unique(threads).tolist()}
        return np.array([lanes[thread] for thread in threads.tolist()], dtype=np.int64)

    def _thread(self, thread: int) -> Lane:
        number = thread & ((1 << tables.THREAD_BITS) - 1)
        return Lane(str(tables.pid(thread)), str(number), label=f"thread {number}")

    def _ranges(self) -> list[Rows]:
        """NVTX ranges; each distinct text with its payload is told apart once."""
        columns = self.base.columns(tables.NVTX)
        if not columns:
            return []
        integers = ("start", "end", "globalTid", "textId", "jsonTextId", "uint64Value", "int64Value")
        terms = [
            f'COALESCE(CAST("{name}" AS INTEGER), {NO_VALUE})' if name in columns else str(NO_VALUE)
            for name in integers
        ]
        terms += [f'"{name}"' if name in columns else "NULL" for name in ("text", "jsonText")]
        where = [f"eventType IN {tables.RANGE_TYPES}", '"end" IS NOT NULL', self._mine(tables.NVTX) or "1"]
        query = f"SELECT {', '.join(terms)} FROM {tables.NVTX} WHERE {' AND '.join(where)}"
        known: dict[Any, tuple[Range, int, int]] = {}
        return [self._range_rows(block, known) for block in self.base.blocks(query)]

    def _range_rows(self, block: list[tuple[Any, ...]], known: dict[Any, tuple[Range, int, int]]) -> Rows:
        times = np.array([row[:3] for row in block], dtype=np.int64)
        fine = _usable(times)
        self.bad += int((~fine).sum())
        chosen = [row for row, keep in zip(block, fine.tolist(), strict=True) if keep]
        times = self._fine(times[fine])
        told = []
        for row in chosen:
            key = row[3:]
            found = known.get(key)
            if found is None:
                parsed = self._parsed(*key)
                found = known[key] = (parsed, self.table.name(parsed.name), self.table.comm(parsed.facts))
            told.append(found)
        return Rows(
            times[:, 0],
            times[:, 1],
            np.array([int(item[0].kind) for item in told], dtype=np.int64),
            np.array([item[1] for item in told], dtype=np.int64),
            self._thread_lanes(times[:, 2]),
            external_id=np.array([item[0].external_id for item in told], dtype=np.int64),
            sequence=np.array([item[0].sequence for item in told], dtype=np.int64),
            comm_id=np.array([item[2] for item in told], dtype=np.int64),
        )

    def _parsed(self, text_id: int, json_id: int, unsigned: int, signed: int, text: Any, said: Any) -> Range:
        name = str(text) if text is not None else self.strings.get(text_id, "range without a name")
        payload = said if said is not None else self.strings.get(json_id)
        value = unsigned if unsigned >= 0 else signed if signed >= 0 else None
        parsed = parse_range(name, parse_payload(None if payload is None else str(payload)), value)
        facts = parsed.facts
        size = self.communicators.sizes.get(facts.group or "") if facts is not None else None
        if facts is None or size is None or facts.group_size is not None:
            return parsed
        return replace(parsed, facts=replace(facts, group_size=size))


def _usable(times: Int64) -> Mask:
    """Rows whose start and end (the first two columns) are there and far from the ends of int64."""
    inside = (times[:, :2] > -(2**61)) & (times[:, :2] < 2**61)
    usable: Mask = inside.all(axis=1) & (times[:, :2] != NO_VALUE).all(axis=1)
    return usable
