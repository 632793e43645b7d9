"""A read-only SQLite file that may be anything.

Takes a path and column names, gives int64 columns; damage becomes UnreadableTrace.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from commscope.errors import UnreadableTrace
from commscope.schema import NO_VALUE
from commscope.trace import Int64

MAGIC = b"SQLite format 3\x00"
ROWS_AT_ONCE = 1 << 16
LOCK_WAIT_S = 2.0
STEPS_AT_ONCE = 1 << 20
LEAST_STEPS = 100 << 20
STEPS_PER_BYTE = 100  # a whole reading takes about half a step a byte
# A damaged schema makes sqlite3 fail on the text of its own message.
FAULTS = (sqlite3.Error, ValueError, OverflowError)


class Database:
    """One open file."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path
        self._tables: dict[str, frozenset[str]] = {}

    def columns(self, table: str) -> frozenset[str]:
        """Names of a table's columns; empty where there is no such table.

        Raises UnreadableTrace where it is a view or a virtual table: reading one runs what its maker wrote.
        """
        if table not in self._tables:
            if self.rows(
                f"SELECT 1 FROM sqlite_master WHERE name = '{table}' COLLATE NOCASE AND NOT rootpage"
            ):
                raise UnreadableTrace(
                    f"{table} is not a table but a query",
                    where=str(self.path),
                    hint="export it again: nsys export --type sqlite",
                )
            rows = self.rows(f'PRAGMA table_info("{table}")')
            self._tables[table] = frozenset(str(row[1]) for row in rows)
        return self._tables[table]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return [row for block in self.blocks(query) for row in block]

    def blocks(self, query: str) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a query, some at a time."""
        try:
            cursor = self._connection.execute(query)
            while block := cursor.fetchmany(ROWS_AT_ONCE):
                yield block
        except FAULTS as error:
            raise broken(self.path, error) from error

    def integers(self, table: str, wanted: tuple[str, ...], where: str = "") -> Int64:
        """Integer columns as an array (rows, wanted); absent columns and NULL are NO_VALUE."""
        there = self.columns(table)
        if not there:
            return np.empty((0, len(wanted)), dtype=np.int64)
        terms = [
            f'COALESCE(CAST("{name}" AS INTEGER), {NO_VALUE})' if name in there else str(NO_VALUE)
            for name in wanted
        ]
        query = f'SELECT {", ".join(terms)} FROM "{table}"' + (f" WHERE {where}" if where else "")
        parts = [np.array(block, dtype=np.int64) for block in self.blocks(query)]
        return np.concatenate(parts) if parts else np.empty((0, len(wanted)), dtype=np.int64)


@contextmanager
def database(path: Path) -> Iterator[Database]:
    """Open a file read-only, leaving no journal beside it.

    Raises UnreadableTrace on anything but a healthy SQLite file.
    """
    try:
        connection = _connect(path)
    except FAULTS as error:
        raise broken(path, error) from error
    try:
        yield Database(connection, path)
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    file = path.resolve()
    log, index = (file.with_name(f"{file.name}-{end}") for end in ("wal", "shm"))
    if log.exists() and not index.exists():
        connection = _opened(file, "mode=ro&vfs=unix-none")
        connection.execute(
            "PRAGMA locking_mode = EXCLUSIVE"
        )  # keeps the log's index in memory, not beside it
    else:
        if (index.exists() or not _is_logging(file)) and _is_locked(file):
            raise sqlite3.OperationalError("database is locked")
        # A write-ahead log beside the file holds rows that `immutable` would not see.
        connection = _opened(file, "mode=ro" if log.exists() else "mode=ro&immutable=1")
    _bound(connection, file.stat().st_size)
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection


def _opened(file: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{file.as_uri()}?{how}", uri=True, timeout=LOCK_WAIT_S)
    connection.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
    return connection


def _is_logging(file: Path) -> bool:
    """Whether its header says that writers use a write-ahead log: whoever opens it then leaves an index."""
    with suppress(OSError), file.open("rb") as stream:
        return stream.read(20)[18:20] == b"\x02\x02"
    return False


def _bound(connection: sqlite3.Connection, file_bytes: int) -> None:
    """End queries that take more steps than any reading of a file of this size."""
    most = (LEAST_STEPS + STEPS_PER_BYTE * file_bytes) // STEPS_AT_ONCE
    calls = count()
    connection.set_progress_handler(lambda: next(calls) >= most, STEPS_AT_ONCE)


def _is_locked(file: Path) -> bool:
    """Whether another program is writing; a file system without locks counts as not locked."""
    try:
        probe = _opened(file, "mode=ro")
    except FAULTS:
        return False
    try:
        probe.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    except FAULTS:
        return False
    finally:
        probe.close()
    return False


def broken(path: Path, error: Exception) -> UnreadableTrace:
    """The user's error for a file SQLite refuses."""
    said = str(error)
    if "locked" in said or "busy" in said:
        return UnreadableTrace(
            "the SQLite file is locked",
            where=str(path),
            hint="wait until the program that writes it has finished",
        )
    if said == "interrupted":
        said = "its queries take longer than its size allows"
    if said.startswith("no such"):
        return UnreadableTrace(
            f"the export lacks what every nsys writes: {said}",
            where=str(path),
            hint="export it again with a current nsys: nsys export --type sqlite",
        )
    if not isinstance(error, sqlite3.Error):
        said = "its schema cannot be read"
    if "schema" in said or "not a database" in said or "malformed" in said or "disk image" in said:
        return UnreadableTrace(
            f"the SQLite file is damaged: {said}",
            where=str(path),
            hint="export it again: nsys export --type sqlite",
        )
    return UnreadableTrace(
        f"cannot read the SQLite file: {said}", where=str(path), hint="check the path and its mode"
    )
