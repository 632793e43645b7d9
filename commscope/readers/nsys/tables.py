"""The tables of an nsys export: their names, the ranks in them, and facts about the session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from commscope.errors import UnreadableTrace
from commscope.readers.nsys.sqlite_file import Database, database
from commscope.schema import NO_VALUE

KERNELS = "CUPTI_ACTIVITY_KIND_KERNEL"
COPIES = "CUPTI_ACTIVITY_KIND_MEMCPY"
SETS = "CUPTI_ACTIVITY_KIND_MEMSET"
GRAPHS = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
RUNTIME = "CUPTI_ACTIVITY_KIND_RUNTIME"
SYNCS = "CUPTI_ACTIVITY_KIND_SYNCHRONIZATION"
NVTX = "NVTX_EVENTS"
RECORDS = "CUPTI_ACTIVITY_KIND_CUDA_EVENT"
# One of these is in every export, whatever was traced.
TELLING = (KERNELS, COPIES, SETS, GRAPHS, RUNTIME, NVTX, "TARGET_INFO_SESSION_START_TIME", "ProcessStreams")
RANGE_TYPES = "(59, 60)"  # push/pop and start/end
THREAD_BITS = 24
ALL_STREAMS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Member:
    """A process and one device it used: what counts as a rank."""

    process: int  # nsys' globalPid
    device: int

    @property
    def selector(self) -> str:
        """How a RankPart names it."""
        return f"{self.process}:{self.device}"


def members(path: Path) -> tuple[Member, ...]:
    """The ranks in a file, by device and process. Raises UnreadableTrace where nsys did not write it."""
    with database(path) as base:
        if not any(base.columns(table) for table in TELLING):
            raise UnreadableTrace(
                "an SQLite file, but not an nsys export: it has none of nsys' tables",
                where=str(path),
                hint="make one with: nsys export --type sqlite --output TRACE.sqlite TRACE.nsys-rep",
            )
        pairs = _device_members(base)
        if not pairs:
            query = (
                f"SELECT DISTINCT (CAST(globalTid AS INTEGER) >> {THREAD_BITS}) << {THREAD_BITS} FROM {NVTX}"
            )
            pairs = {(row[0] or 0, NO_VALUE) for row in base.rows(query)} if base.columns(NVTX) else set()
    found = [Member(process, device) for process, device in pairs]
    return tuple(sorted(found, key=lambda member: (member.device, member.process)))


def _device_members(base: Database) -> set[tuple[int, int]]:
    """Process and device of all that ran on a device; NO_VALUE for the process where none is named."""
    named: set[tuple[int, int]] = set()
    nameless: set[tuple[int, int]] = set()
    for table in (KERNELS, GRAPHS, COPIES, SETS):
        columns = base.columns(table)
        if not columns:
            continue
        process = "CAST(globalPid AS INTEGER)" if "globalPid" in columns else str(NO_VALUE)
        device = "CAST(deviceId AS INTEGER)" if "deviceId" in columns else "0"
        rows = base.rows(f"SELECT DISTINCT {process}, {device} FROM {table}")
        found = {(row[0] or 0, row[1] or 0) for row in rows}
        (named if "globalPid" in columns else nameless).update(found)
    return named or nameless


def pid(global_id: int) -> int:
    """Process number inside one of nsys' global ids; NO_VALUE stays."""
    if global_id < 0:
        return NO_VALUE
    return (global_id >> THREAD_BITS) & ((1 << THREAD_BITS) - 1)


def strings(base: Database) -> dict[int, str]:
    """Texts by their number."""
    if not base.columns("StringIds"):
        return {}
    return {key: str(value) for key, value in base.rows("SELECT CAST(id AS INTEGER), value FROM StringIds")}


def session_start(base: Database) -> tuple[int, bool]:
    """When the session began, in ns since the epoch, and whether the export says so."""
    rows = base.integers("TARGET_INFO_SESSION_START_TIME", ("utcEpochNs",))
    start_ns = int(rows[0, 0]) if len(rows) else NO_VALUE
    return (start_ns, True) if 0 < start_ns < 2**61 else (0, False)


def host(base: Database) -> str | None:
    """Name of the machine."""
    if not base.columns("TARGET_INFO_SYSTEM_ENV"):
        return None
    rows = base.rows(
        "SELECT value FROM TARGET_INFO_SYSTEM_ENV WHERE name IN ('Hostname', 'HostName', 'Host name') LIMIT 1"
    )
    return str(rows[0][0]) if rows else None


def devices(base: Database) -> tuple[str, ...]:
    """Names of the GPUs."""
    if not {"name", "id"} <= base.columns("TARGET_INFO_GPU"):
        return ()
    return tuple(str(row[0]) for row in base.rows("SELECT name FROM TARGET_INFO_GPU ORDER BY id"))


def versions(base: Database) -> dict[str, str]:
    """Versions of nsys and of its schema."""
    if not base.columns("META_DATA_EXPORT"):
        return {}
    wanted = {"EXPORT_SCHEMA_VERSION": "schema", "EXPORT_PRODUCT_VERSION": "nsys"}
    rows = base.rows("SELECT name, value FROM META_DATA_EXPORT")
    return {wanted[name]: str(value) for name, value in rows if name in wanted}
