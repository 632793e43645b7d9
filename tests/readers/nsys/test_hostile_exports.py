"""Exports whose tables are queries: they are refused, and no query runs without end."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from commscope.errors import UnreadableTrace
from commscope.readers import open_run
from commscope.readers.nsys.sqlite_file import database

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"


def written(path: Path, *statements: str) -> Path:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


@pytest.mark.parametrize("name", ["CUPTI_ACTIVITY_KIND_KERNEL", "cupti_activity_kind_kernel"])
def test_a_view_in_place_of_a_table_is_refused(tmp_path: Path, name: str) -> None:
    columns = "SELECT 1 AS start, 2 AS end, 0 AS deviceId, 7 AS streamId, 1 AS globalPid, 1 AS shortName"
    path = written(tmp_path / "rank0.sqlite", f"CREATE VIEW {name} AS {columns}, x FROM ({ENDLESS})")
    with pytest.raises(UnreadableTrace, match="not a table but a query"):
        open_run(path)


def test_an_endless_query_ends(tmp_path: Path) -> None:
    path = written(tmp_path / "rank0.sqlite", "CREATE TABLE t (x)")
    with database(path) as base, pytest.raises(UnreadableTrace, match="longer than its size allows"):
        base.rows(f"SELECT count(*) FROM ({ENDLESS})")


def test_a_long_table_is_read_whole(tmp_path: Path) -> None:
    rows = f"INSERT INTO t SELECT x FROM ({ENDLESS} LIMIT 300000)"
    path = written(tmp_path / "rank0.sqlite", "CREATE TABLE t (x)", rows)
    with database(path) as base:
        assert (
            sum(int(base.integers("t", ("x",))[:, 0].sum()) for _ in range(20)) == 20 * 300000 * 300001 // 2
        )
