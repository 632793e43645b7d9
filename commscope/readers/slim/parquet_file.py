"""One RankTrace as one Parquet file: takes a trace, gives bytes on disk, and back.

Every file says its schema and the content it came from.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from commscope.errors import CommScopeError, UnreadableTrace
from commscope.readers.files.claims import believed, holds_rows, holds_text, world_gaps
from commscope.schema import EVENTS_SCHEMA_VERSION, Source
from commscope.trace import (
    CommFacts,
    Events,
    Gap,
    Lane,
    MemorySample,
    ProcessGroup,
    RankTrace,
    SyncFacts,
)

MAGIC = b"PAR1"
KEY = b"commscope"
DIGEST_KEY = b"commscope.digest"  # absent from files of version 0.2 and before
_COLUMNS = {
    "kind": np.uint8,
    "name_id": np.int32,
    "lane_id": np.int32,
    "correlation": np.int64,
    "external_id": np.int64,
    "sequence": np.int64,
    "forward_thread": np.int64,
    "size_bytes": np.int64,
    "comm_id": np.int32,
}
_DELTAS = ("start_ns", "length_ns", "correlation", "external_id", "sequence")


@dataclass(frozen=True, slots=True)
class Beside:
    """Everything of a RankTrace but its columns."""

    schema: int
    content: str
    rank: int
    source: Source
    names: tuple[str, ...]
    lanes: tuple[Lane, ...]
    comms: tuple[CommFacts, ...]
    first_ns: int = 0
    backend: str | None = None
    world_size: int | None = None
    host: str | None = None
    groups: tuple[ProcessGroup, ...] = ()
    devices: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    syncs: tuple[SyncFacts, ...] = ()
    memory: tuple[MemorySample, ...] = ()
    read_counts: dict[str, int] = field(default_factory=dict)


_BESIDE = msgspec.json.Decoder(Beside)


def write_trace(trace: RankTrace, path: Path, *, content: str, level: int = 3) -> None:
    """Write a trace whole or not at all: nobody ever sees half of it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    events = trace.events
    first_ns = int(events.start_ns[0]) if len(events) else 0
    columns = {"start_ns": events.start_ns - first_ns, "length_ns": events.end_ns - events.start_ns}
    columns |= {name: getattr(events, name) for name in _COLUMNS}
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    beside = msgspec.json.encode(_beside(trace, content, first_ns))
    packed = pa.compress(beside, codec="zstd", asbytes=True)
    head = str(len(beside)).encode() + b":" + packed.hex().encode()
    table = table.replace_schema_metadata({KEY: head, DIGEST_KEY: _digest(head, columns).encode()})
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            pq.write_table(
                table,
                file,
                compression="zstd",
                compression_level=level,
                use_dictionary=[name for name in columns if name not in _DELTAS],
                column_encoding=dict.fromkeys(_DELTAS, "DELTA_BINARY_PACKED"),
                write_page_checksum=True,
            )
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _beside(trace: RankTrace, content: str, first_ns: int) -> Beside:
    return Beside(
        schema=EVENTS_SCHEMA_VERSION,
        content=content,
        rank=trace.rank,
        source=trace.source,
        names=trace.events.names,
        lanes=trace.events.lanes,
        comms=trace.events.comms,
        first_ns=first_ns,
        backend=trace.backend,
        world_size=trace.world_size,
        host=trace.host,
        groups=trace.groups,
        devices=trace.devices,
        versions=trace.versions,
        gaps=trace.gaps,
        syncs=trace.syncs,
        memory=trace.memory,
        read_counts=trace.read_counts,
    )


def _digest(head: bytes, columns: Mapping[str, Any]) -> str:
    """Of everything a file says: its pages have checksums, but what tells where they lie has none."""
    digest = hashlib.sha256(head)  # faster than blake2b where the processor knows it
    for name in ("start_ns", "length_ns", *_COLUMNS):
        values = np.ascontiguousarray(columns[name], dtype=_COLUMNS.get(name, np.int64))
        digest.update(f"|{name}|{len(values)}|".encode())
        digest.update(values.data)
    return digest.hexdigest()


def read_beside(path: Path) -> Beside:
    """What a file says of itself. Raises UnreadableTrace where it is not ours or damaged."""
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as bytes_:  # Arrow knows no path that is not UTF-8
            metadata = pq.read_metadata(bytes_).metadata or {}
    except Exception as error:
        raise _damaged(path) from error
    return _unpacked(metadata.get(KEY), path)


def _unpacked(head: bytes | None, path: Path) -> Beside:
    import pyarrow as pa

    if head is None:
        raise UnreadableTrace(
            "a Parquet file, but not one of commscope's",
            where=str(path),
            hint="make one with: commscope slim RUN",
        )
    try:
        size, _, spoken = head.partition(b":")
        packed = bytes.fromhex(spoken.decode())
        if not holds_text(packed, int(size)):
            raise _damaged(path)
        text = pa.decompress(packed, decompressed_size=int(size), codec="zstd", asbytes=True)
        schema = msgspec.json.decode(text).get("schema")
        if schema != EVENTS_SCHEMA_VERSION:
            raise UnreadableTrace(
                f"written with schema {schema}, this commscope reads {EVENTS_SCHEMA_VERSION}",
                where=str(path),
                hint="run `commscope slim` again on the traces it came from",
            )
        return _BESIDE.decode(text)
    except (ValueError, OSError, AttributeError, MemoryError, msgspec.MsgspecError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> UnreadableTrace:
    return UnreadableTrace(
        "the Parquet file is damaged", where=str(path), hint="make it again: commscope slim RUN"
    )


def read_trace(path: Path) -> tuple[RankTrace, str]:
    """A trace, and the content key it was written with. Raises UnreadableTrace as `read_beside`."""
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as bytes_, pq.ParquetFile(bytes_, page_checksum_verification=True) as file:
            told = file.metadata.metadata or {}
            beside = _unpacked(told.get(KEY), path)
            if not holds_rows(path.stat().st_size, file.metadata.num_rows):
                raise _damaged(path)
            # One column at a time, so that Arrow's copy and ours of all columns never stand side by side.
            columns = {
                name: file.read(columns=[name], use_threads=False).column(0).to_numpy()
                for name in ("start_ns", "length_ns", *_COLUMNS)
            }
        digest = told.get(DIGEST_KEY)
        if digest is not None and digest.decode("ascii", "replace") != _digest(told[KEY], columns):
            raise _damaged(path)
    except CommScopeError:
        raise
    except Exception as error:
        raise _damaged(path) from error
    return _trace(beside, columns, path), beside.content


def _trace(beside: Beside, columns: dict[str, Any], path: Path) -> RankTrace:
    start_ns = columns["start_ns"].astype(np.int64) + beside.first_ns
    plain = {name: columns[name].astype(kind, copy=False) for name, kind in _COLUMNS.items()}
    for name, size in (
        ("name_id", len(beside.names)),
        ("lane_id", len(beside.lanes)),
        ("comm_id", len(beside.comms)),
    ):
        if len(start_ns) and not -1 <= int(plain[name].min()) <= int(plain[name].max()) < max(size, 1):
            raise _damaged(path)
    events = Events(
        start_ns=start_ns,
        end_ns=start_ns + columns["length_ns"].astype(np.int64),
        names=beside.names,
        lanes=beside.lanes,
        comms=beside.comms,
        **plain,
    )
    return RankTrace(
        rank=beside.rank,
        events=events,
        source=beside.source,
        backend=beside.backend,
        world_size=believed(beside.world_size),
        host=beside.host,
        groups=beside.groups,
        devices=beside.devices,
        versions=beside.versions,
        gaps=(*beside.gaps, *world_gaps(beside.world_size, (beside.rank,))),
        syncs=beside.syncs,
        memory=beside.memory,
        read_counts=beside.read_counts,
    )
