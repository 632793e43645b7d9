"""nsys SQLite exports made by hand: several ranks, graphs, NVTX with and without payload, and files that are something else."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from commscope.errors import UnreadableTrace
from commscope.readers import open_run, read_rank
from commscope.schema import EventKind, Source
from tests.readers.chrome_files import codes, names

EPOCH = 1_779_782_330_176_752_435
PIDS = {0: (1 << 48) + (144 << 24), 1: (1 << 48) + (145 << 24)}
STRINGS = {
    1: "gemm",
    2: "ncclDevKernel_AllReduce_Sum_bf16_RING_LL()",
    3: "cudaLaunchKernel",
    4: "ncclAllReduce",
    5: "range by id",
}
TABLES = {
    "StringIds": "id INTEGER, value TEXT",
    "TARGET_INFO_SESSION_START_TIME": "utcEpochNs INTEGER, systemClockNs INTEGER",
    "META_DATA_EXPORT": "name TEXT, value TEXT",
    "CUPTI_ACTIVITY_KIND_KERNEL": "start, end, deviceId, streamId, correlationId, globalPid, demangledName, shortName",
    "CUPTI_ACTIVITY_KIND_MEMCPY": "start, end, deviceId, streamId, correlationId, globalPid, bytes, copyKind",
    "CUPTI_ACTIVITY_KIND_RUNTIME": "start, end, globalTid, correlationId, nameId",
    "CUPTI_ACTIVITY_KIND_GRAPH_TRACE": "start, end, deviceId, streamId, correlationId, globalPid, graphId",
    "NVTX_EVENTS": "start, end, eventType, text, globalTid, textId, domainId, uint64Value, int64Value, jsonTextId, jsonText",
}


def export(path: Path, rows: dict[str, list[tuple[object, ...]]], without: tuple[str, ...] = ()) -> Path:
    """An export with these rows."""
    base = sqlite3.connect(path)
    for table, columns in TABLES.items():
        if table in without:
            continue
        base.execute(f"CREATE TABLE {table} ({columns})")
        for row in rows.get(table, []):
            base.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
    base.executemany("INSERT INTO StringIds VALUES (?, ?)", STRINGS.items())
    base.commit()
    base.close()
    return path


def nvtx(start: int, end: int | None, text: str | None, rank: int = 0, **more: object) -> tuple[object, ...]:
    """One row of NVTX_EVENTS."""
    return (
        start,
        end,
        more.get("kind", 59),
        text,
        PIDS[rank] + 144,
        more.get("text_id"),
        0,
        more.get("value"),
        None,
        None,
        more.get("json"),
    )


def two_ranks() -> dict[str, list[tuple[object, ...]]]:
    """Two processes with a device each."""
    payload = json.dumps(
        {"NCCL communicator ID": 99, "Message size [bytes]": 4096, "Reduction operation": "Sum"}
    )
    kernels = [
        (start + rank, start + rank + 10, rank, 7, 5 + rank, PIDS[rank], name, 1)
        for rank in (0, 1)
        for start, name in ((100, 1), (120, 2))
    ]
    return {
        "TARGET_INFO_SESSION_START_TIME": [(EPOCH, 1)],
        "META_DATA_EXPORT": [("EXPORT_SCHEMA_VERSION", "3.25.0")],
        "CUPTI_ACTIVITY_KIND_KERNEL": kernels,
        "CUPTI_ACTIVITY_KIND_MEMCPY": [(140, 150, 0, 7, 9, PIDS[0], 2048, 1)],
        "CUPTI_ACTIVITY_KIND_RUNTIME": [(90, 95, PIDS[0] + 144, 5, 3), (91, 96, PIDS[1] + 145, 6, 3)],
        "CUPTI_ACTIVITY_KIND_GRAPH_TRACE": [(200, 300, 0, 7, 30, PIDS[0], 77)],
        "NVTX_EVENTS": [
            nvtx(80, 130, "backward"),
            nvtx(81, 99, "aten::mm, seq = 12, op_id = 7, sizes = [[4, 2], [2, 4]], input_op_ids = [(1,0), (2,0)]"),
            nvtx(82, 98, "c10d::allreduce_, op_id = 8, sizes = [[[4, 2]], []]"),
            nvtx(83, 97, None, text_id=4, json=payload),
            nvtx(84, 96, None, text_id=5, kind=60),
            nvtx(85, 95, "commscope:collective:all_gather|role=tp|group=tp", value=8192),
            nvtx(86, None, "never closed"),
            nvtx(-5, None, "cuBLAS", kind=75),
            nvtx(87, 90, "of the other rank", rank=1),
        ],
    }  # fmt: skip


def test_every_process_and_device_is_a_rank(tmp_path: Path) -> None:
    run = open_run(export(tmp_path / "both.sqlite", two_ranks()))
    assert [part.rank for part in run.parts] == [0, 1]
    assert [gap.code for gap in run.gaps] == ["rank_from_device"]
    first, second = (read_rank(part, run.info) for part in run.parts)
    assert first.source == Source.NSYS
    assert (first.backend, first.versions) == ("nccl", {"schema": "3.25.0"})
    assert names(second) == ["of the other rank", "cudaLaunchKernel", "gemm", STRINGS[2]]
    assert names(first) == ["backward", "aten::mm", "c10d::allreduce_", "ncclAllReduce", "range by id",
                            "commscope:collective:all_gather", "cudaLaunchKernel", "gemm", STRINGS[2], "Memcpy HtoD", "CUDA graph 77"]  # fmt: skip
    assert first.events.start_ns[0] == EPOCH + 80
    assert codes(first) == []


def test_kinds_numbers_and_facts(tmp_path: Path) -> None:
    run = open_run(export(tmp_path / "both.sqlite", two_ranks()))
    events = read_rank(run.parts[0], run.info).events
    row = {name: place for place, name in enumerate(events.name(place) for place in range(len(events)))}
    kinds = {name: EventKind(events.kind[place]) for name, place in row.items()}
    assert kinds["aten::mm"] == kinds["c10d::allreduce_"] == EventKind.OP
    assert kinds["backward"] == kinds["ncclAllReduce"] == EventKind.ANNOTATION
    assert kinds["CUDA graph 77"] == EventKind.GRAPH
    assert (events.sequence[row["aten::mm"]], events.external_id[row["aten::mm"]]) == (12, 7)
    assert events.correlation[row["gemm"]] == events.correlation[row["cudaLaunchKernel"]] == 5
    assert events.size_bytes[row["Memcpy HtoD"]] == 2048
    nccl = events.facts(row["ncclAllReduce"])
    assert nccl is not None
    assert (nccl.collective, nccl.group, nccl.message_bytes) == ("AllReduce", "99", 4096)
    ours = events.facts(row["commscope:collective:all_gather"])
    assert ours is not None
    assert (ours.collective, ours.role, ours.message_bytes) == ("all_gather", "tp", 8192)
    op = events.facts(row["c10d::allreduce_"])
    assert op is not None
    assert op.shapes == ((4, 2), ())


def test_one_file_a_rank_takes_the_rank_from_names(tmp_path: Path) -> None:
    for rank in (3, 1):
        rows = {"CUPTI_ACTIVITY_KIND_KERNEL": [(1, 2, 0, 7, 1, PIDS[0], 1, 1)]}
        export(tmp_path / f"rank{rank}.sqlite", rows)
    assert [part.rank for part in open_run(tmp_path).parts] == [1, 3]


def test_what_is_missing_in_an_export_is_named(tmp_path: Path) -> None:
    rows = {
        "CUPTI_ACTIVITY_KIND_KERNEL": [
            (5, 1, 0, 7, 1, PIDS[0], 42, None),
            (1, None, 0, 7, 2, PIDS[0], 1, 1),
            ("x", 2, 0, "y", 3, PIDS[0], 1, 1),
        ]
    }
    path = export(
        tmp_path / "a.sqlite",
        rows,
        without=("NVTX_EVENTS", "CUPTI_ACTIVITY_KIND_RUNTIME", "CUPTI_ACTIVITY_KIND_MEMCPY"),
    )
    run = open_run(path)
    trace = read_rank(run.parts[0], run.info)
    assert codes(trace) == ["no_session_start", "no_nvtx", "negative_durations", "bad_events"]
    assert names(trace) == ["gemm", "kernel without a name"]
    assert (trace.events.end_ns >= trace.events.start_ns).all()


def test_an_export_that_names_no_process_is_one_process(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE StringIds (id INTEGER, value TEXT)")
    base.executemany("INSERT INTO StringIds VALUES (?, ?)", STRINGS.items())
    base.execute(
        "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start, end, deviceId, streamId, correlationId, shortName, demangledName)"
    )
    base.executemany(
        "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (?, ?, ?, 7, ?, 1, 1)", [(5, 9, 0, 1), (6, 8, 1, 2)]
    )
    base.execute("CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start, end, correlationId, globalTid, nameId)")
    base.execute("INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (1, 2, 1, 99, 3)")
    base.commit()
    base.close()
    run = open_run(path)
    assert [part.rank for part in run.parts] == [0, 1]
    assert [names(read_rank(part, run.info)) for part in run.parts] == [["cudaLaunchKernel", "gemm"]] * 2


def test_an_export_of_the_host_alone_is_an_export(tmp_path: Path) -> None:
    path = export(
        tmp_path / "a.sqlite",
        {},
        without=tuple(set(TABLES) - {"TARGET_INFO_SESSION_START_TIME", "StringIds"}),
    )
    assert "no GPU work" in refused(path)


def test_copies_without_any_kernel_are_told(tmp_path: Path) -> None:
    rows = {"CUPTI_ACTIVITY_KIND_MEMCPY": [(140, 150, 0, 7, 9, PIDS[0], 2048, 1)]}
    run = open_run(export(tmp_path / "a.sqlite", {**rows, "TARGET_INFO_SESSION_START_TIME": [(EPOCH, 1)]}))
    assert codes(read_rank(run.parts[0], run.info)) == ["no_kernels"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('ALTER TABLE CUPTI_ACTIVITY_KIND_KERNEL RENAME COLUMN "start" TO begin', "bad_events"),
        ("ALTER TABLE NVTX_EVENTS RENAME COLUMN text TO words", None),
        ("DROP TABLE StringIds", None),
    ],
)
def test_an_export_of_another_schema_is_read_as_far_as_it_goes(
    tmp_path: Path, change: str, told: str | None
) -> None:
    path = export(tmp_path / "a.sqlite", two_ranks())
    base = sqlite3.connect(path)
    base.execute(change)
    base.commit()
    base.close()
    run = open_run(path)
    trace = read_rank(run.parts[0], run.info)
    assert told is None or told in codes(trace)
    assert (trace.events.start_ns >= EPOCH).all()


def test_what_every_export_has_is_asked_for(tmp_path: Path) -> None:
    path = export(tmp_path / "a.sqlite", two_ranks())
    base = sqlite3.connect(path)
    base.execute("ALTER TABLE NVTX_EVENTS RENAME COLUMN eventType TO kind")
    base.commit()
    base.close()
    run = open_run(path)
    with pytest.raises(UnreadableTrace, match="no such column: eventType"):
        read_rank(run.parts[0], run.info)


INIT = {"NCCL communicator ID": 99, "No. of ranks": 8, "Rank": 6, "CUDA device": 0}


def test_ranks_and_sizes_are_those_nccl_said_when_it_started(tmp_path: Path) -> None:
    rows = two_ranks()
    pair = {"NCCL communicator ID": 7, "No. of ranks": 2, "Rank": 0, "CUDA device": 0}
    rows["NVTX_EVENTS"] += [
        nvtx(1, 5, "ncclCommInitRank", json=json.dumps(INIT)),
        nvtx(6, 7, "ncclCommInitRank", json=json.dumps(pair)),
        nvtx(1, 5, "ncclCommInitRankConfig", rank=1, json=json.dumps({**INIT, "Rank": 5, "CUDA device": 1})),
        nvtx(8, 9, "ncclCommInitRank", rank=1, json=json.dumps({**INIT, "Rank": 9})),
    ]
    run = open_run(export(tmp_path / "both.sqlite", rows))
    assert ([part.rank for part in run.parts], run.info.world_size, run.gaps) == ([5, 6], 8, ())
    trace = read_rank(run.parts[1], run.info)
    facts = trace.events.facts(names(trace).index("ncclAllReduce"))
    assert facts is not None
    assert (facts.group, facts.group_size, trace.world_size) == ("99", 8, 8)


def test_two_devices_that_claim_one_rank_are_counted_instead(tmp_path: Path) -> None:
    rows = two_ranks()
    rows["NVTX_EVENTS"] += [
        nvtx(1, 5, "ncclCommInitRank", rank=rank, json=json.dumps({**INIT, "CUDA device": rank}))
        for rank in (0, 1)
    ]
    run = open_run(export(tmp_path / "both.sqlite", rows))
    assert [part.rank for part in run.parts] == [0, 1]
    assert [gap.code for gap in run.gaps] == ["rank_from_device"]


def test_numbered_exports_of_one_device_each_are_ranks(tmp_path: Path) -> None:
    rows = {"CUPTI_ACTIVITY_KIND_KERNEL": [(1, 2, 0, 7, 1, PIDS[0], 1, 1)]}
    for number in (0, 1):
        export(tmp_path / f"report.{number}.sqlite", rows)
    run = open_run(tmp_path)
    assert [(part.rank, part.path.name) for part in run.parts] == [
        (0, "report.0.sqlite"),
        (1, "report.1.sqlite"),
    ]
    (tmp_path / "report.1.sqlite").rename(tmp_path / "other.sqlite")
    assert "rank of other.sqlite is not known" in refused(tmp_path)


def test_a_stream_wait_names_what_it_waited_for(tmp_path: Path) -> None:
    path = export(tmp_path / "a.sqlite", two_ranks())
    base = sqlite3.connect(path)
    base.execute(
        "CREATE TABLE CUPTI_ACTIVITY_KIND_SYNCHRONIZATION"
        " (start, end, deviceId, streamId, correlationId, globalPid, syncType, eventId, eventSyncId)"
    )
    base.execute(
        "CREATE TABLE CUPTI_ACTIVITY_KIND_CUDA_EVENT (deviceId, streamId, correlationId, globalPid, eventId, eventSyncId)"
    )
    base.executemany(
        "INSERT INTO CUPTI_ACTIVITY_KIND_SYNCHRONIZATION VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?)",
        [
            (10, 11, 7, 40, PIDS[0], 2, 3, None),  # after the second record of event 3
            (12, 13, 7, 41, PIDS[0], 2, 3, 77),  # the record is named
            (14, 15, 7, 42, PIDS[0], 2, 9, None),  # never recorded
            (16, 17, 7, 43, PIDS[0], 3, 3, None),  # waits for a stream, not an event
        ],
    )
    base.executemany(
        "INSERT INTO CUPTI_ACTIVITY_KIND_CUDA_EVENT VALUES (0, ?, ?, ?, ?, ?)",
        [
            (20, 30, PIDS[0], 3, None),
            (21, 35, PIDS[0], 3, None),
            (22, 50, PIDS[0], 3, None),
            (23, 36, PIDS[0], 4, 77),
            (24, 39, PIDS[1], 3, None),
        ],
    )
    base.commit()
    base.close()
    run = open_run(path)
    syncs = read_rank(run.parts[0], run.info).syncs
    assert [(one.stream, one.wait_on_stream, one.wait_on_correlation) for one in syncs] == [
        (7, 21, 35),
        (7, 23, 36),
        (7, -1, -1),
        (7, -1, -1),
    ]


def refused(path: Path) -> str:
    """What the error says."""
    with pytest.raises(UnreadableTrace) as caught:
        open_run(path)
    return caught.value.what


def test_sqlite_that_nsys_did_not_write(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE people (name TEXT)")
    base.commit()
    base.close()
    assert "not an nsys export" in refused(path)


def test_damaged_and_truncated_files(tmp_path: Path) -> None:
    path = export(tmp_path / "a.sqlite", two_ranks())
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    assert "SQLite file" in refused(path)
    path.write_bytes(whole[:100])
    assert "SQLite file" in refused(path)
    path.write_bytes(b"SQLite format 3\x00" + b"garbage" * 300)
    assert "SQLite file" in refused(path)


def test_a_locked_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commscope.readers.nsys.sqlite_file.LOCK_WAIT_S", 0.05)
    path = export(tmp_path / "a.sqlite", two_ranks())
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    assert refused(path) == "the SQLite file is locked"
    writer.execute("ROLLBACK")
    writer.close()
    assert len(open_run(path).parts) == 2


def test_an_export_without_any_work_is_told(tmp_path: Path) -> None:
    assert "no GPU work" in refused(export(tmp_path / "a.sqlite", {}))


def test_reading_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    path = export(tmp_path / "a.sqlite", two_ranks())
    run = open_run(path)
    read_rank(run.parts[0], run.info)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.sqlite"]


def logged(folder: Path) -> Path:
    """An export whose last row stands in a write-ahead log that its writer left over."""
    path = export(folder / "writing.sqlite", two_ranks())
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (400, 410, 0, 7, 99, ?, 1, 1)", (PIDS[0],))
    writer.commit()
    left = folder / "left"
    left.mkdir()
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", left / f"a.sqlite{end}")
    writer.close()
    return left / "a.sqlite"


def test_a_log_left_over_is_read_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = logged(tmp_path)
    before = {entry.name: entry.read_bytes() for entry in path.parent.iterdir()}
    run = open_run(path)
    assert read_rank(run.parts[0], run.info).events.end_ns.max() == EPOCH + 410
    assert {entry.name: entry.read_bytes() for entry in path.parent.iterdir()} == before


def test_an_export_whose_writers_use_a_log_is_read_without_one(tmp_path: Path) -> None:
    path = export(tmp_path / "a.sqlite", two_ranks())
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.close()
    assert len(open_run(path).parts) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.sqlite"]


def test_flipped_bytes_never_crash(tmp_path: Path) -> None:
    whole = export(tmp_path / "a.sqlite", two_ranks()).read_bytes()
    chance = random.Random(1)
    path = tmp_path / "b.sqlite"
    refusals = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 5, 20))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            run = open_run(path)
            for part in run.parts:
                events = read_rank(part, run.info).events
                assert (events.end_ns >= events.start_ns).all()
        except UnreadableTrace:
            refusals += 1
    assert 0 < refusals < 150
