"""Tables of what took longest: Analysis -> sections of at most so many rows, and the same as documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from commscope.analysis import top
from commscope.analysis.naming import place_words, short_name
from commscope.analysis.result import Analysis
from commscope.report.sections import Section, Table
from commscope.units import format_bytes, format_count, format_time

IN_JSON = 20


def top_sections(analysis: Analysis, window: str, most: int) -> tuple[Section, ...]:
    """The tables that hold anything, each cut to `most` rows."""
    found = (
        _collectives(top.late_collectives(analysis, window), most),
        _idle(top.idle_times(analysis, window), most),
        _kernels(top.kernels(analysis), most),
        _slowed(top.slowed_kernels(analysis), most),
        _layers(top.layers(analysis, window), most),
        _ranks(top.rank_quantiles(analysis, window), most),
    )
    return tuple(one for one in found if one is not None)


def table_documents(analysis: Analysis, window: str) -> dict[str, list[dict[str, Any]]]:
    """The first rows of every table, absent values null."""
    tables = {
        "collectives": top.late_collectives(analysis, window),
        "idle_times": top.idle_times(analysis, window),
        "kernels": top.kernels(analysis).drop(columns=list(_SQUARES), errors="ignore"),
        "slowed_kernels": top.slowed_kernels(analysis),
        "layers": top.layers(analysis, window),
        "ranks": top.rank_quantiles(analysis, window),
    }
    return {name: _rows(table) for name, table in tables.items()}


_SQUARES = ("alone_squares", "beside_squares")


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    told = table.head(IN_JSON).astype(object)
    rows = told.where(told.notna(), None).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def _collectives(table: pd.DataFrame, most: int) -> Section | None:
    rows = [
        (
            f"{row['collective']}{place_words(row['phase'], row['layer'])}",
            str(row["instance"]),
            format_time(row["exposed_wait_ns"]),
            format_time(row["transfer_ns"]),
            format_bytes(row["payload_bytes"]),
            "-" if row["culprit"] is None else f"rank {row['culprit']}",
        )
        for row in _plain(table, most)
        if row["exposed_wait_ns"]
    ]
    columns = ("collective", "instance", "exposed wait", "transfer", "payload", "waited for")
    return _section("Collectives by exposed wait, summed over ranks", columns, rows, len(table))


def _idle(table: pd.DataFrame, most: int) -> Section | None:
    rows = [
        (
            f"rank {row['rank']}",
            str(row["window"]),
            format_time(row["time_ns"]),
            row["host"] or "not recorded",
        )
        for row in _plain(table, most)
    ]
    return _section(
        "Longest idle times, and what the host did", ("on", "in", "idle", "host"), rows, len(table)
    )


def _kernels(table: pd.DataFrame, most: int) -> Section | None:
    rows = [
        (
            short_name(str(row["name"])),
            row["shape"] or "-",
            format_count(row["count"]),
            format_time(row["time_ns"]),
            format_time(row["mean_ns"]),
            format_time(row["longest_ns"]),
        )
        for row in _plain(table, most)
    ]
    columns = ("name", "shape", "count", "time", "mean", "longest")
    return _section("Kernels by time, all ranks, whole capture", columns, rows, len(table))


def _slowed(table: pd.DataFrame, most: int) -> Section | None:
    rows = [
        (
            short_name(str(row["name"])),
            row["shape"] or "-",
            format_time(row["alone_ns"]),
            format_time(row["beside_ns"]),
            f"{row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
            format_time(row["lost_ns"]),
        )
        for row in _plain(table, most)
    ]
    columns = ("name", "shape", "alone", "beside", "ratio (95 %)", "lost")
    return _section("Kernels that are slower beside communication", columns, rows, len(table))


def _layers(table: pd.DataFrame, most: int) -> Section | None:
    ordered = table.sort_values("slowest_ns", ascending=False, kind="stable") if len(table) else table
    rows = [
        (
            str(row["layer"]),
            format_time(row["compute_ns"]),
            format_time(row["wait_ns"]),
            format_time(row["transfer_ns"]),
            _slowest(row),
        )
        for row in _plain(ordered, most)
    ]
    columns = ("layer", "compute", "wait", "transfer", "slowest collective")
    return _section("Layers, all ranks", columns, rows, len(table))


def _slowest(row: dict[str, Any]) -> str:
    if row["slowest_ns"] is None:
        return "-"
    where = place_words(row["slowest_phase"], None)
    return (
        f"{row['slowest_collective']}{where} on rank {row['slowest_rank']}, {format_time(row['slowest_ns'])}"
    )


def _ranks(table: pd.DataFrame, most: int) -> Section | None:
    names = ("min", "q1", "median", "q3", "max", "skew")
    rows = [
        (
            str(row["part"]).replace("_", " "),
            *(format_time(row[f"{name}_ns"]) for name in names),
            f"rank {row['most_rank']}",
        )
        for row in _plain(table, most)
    ]
    return _section("How unlike ranks are", ("part", *names, "most on"), rows, len(table))


def _plain(table: pd.DataFrame, most: int) -> list[dict[str, Any]]:
    told = table.head(most).astype(object)
    return told.where(told.notna(), None).to_dict("records")  # type: ignore[return-value]


def _section(
    title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], count: int
) -> Section | None:
    return Section(title, (), Table(columns, tuple(rows), max(0, count - len(rows)))) if rows else None
