"""What layers keep for backward, measured beside the closed form: one run, or two side by side."""

from __future__ import annotations

from collections.abc import Sequence

from commscope.report.sections import Section, cut
from commscope.theory.memory import SavedRow, largest_difference, saved_rows
from commscope.trace import RunInfo
from commscope.units import ABSENT, format_bytes, format_percent

TITLE = "Kept for backward, per layer and microbatch"
_OUTSIDE = "outside layers"


def saved_section(run: RunInfo) -> Section | None:
    """One run's layers by module; None where it was not measured."""
    rows = saved_rows(run)
    if not rows:
        return None
    cells = [
        (layer_words(row), row.item, format_bytes(row.size_bytes), format_bytes(row.closed_form_bytes))
        for row in rows
        if row.layers
    ]
    cells += [
        (
            layer_words(row),
            "all",
            format_bytes(_sum(rows, row.layers)),
            format_bytes(_sum_closed(rows, row.layers)),
        )
        for row in _firsts(rows)
    ]
    columns = ("layers", "module", "measured", "closed form")
    return Section(TITLE, (_agreement(rows),), cut(columns, cells, 40))


def saved_pair(baseline: RunInfo, candidate: RunInfo) -> Section | None:
    """First layers of two runs side by side; None where neither was measured."""
    sides = [saved_rows(run) for run in (baseline, candidate)]
    if not any(sides):
        return None
    firsts = [_first_layer(rows) for rows in sides]
    names = dict.fromkeys(name for items in firsts for name in items)
    cells = []
    for name in names:
        pairs = [items.get(name) for items in firsts]
        measured = [
            format_bytes(pair.size_bytes if pair else 0 if rows else None)
            for pair, rows in zip(pairs, sides, strict=True)
        ]
        closed = [
            format_bytes(pair.closed_form_bytes if pair else 0 if rows else None)
            for pair, rows in zip(pairs, sides, strict=True)
        ]
        cells.append((name, *measured, *closed))
    sums = [
        (
            sum(row.size_bytes for row in items.values()),
            sum(row.closed_form_bytes or 0 for row in items.values()),
        )
        for items in firsts
    ]
    told = [
        [format_bytes(size) if rows else ABSENT for size in each]
        for each, rows in zip(sums, sides, strict=True)
    ]
    cells.append(("all", *(each[0] for each in told), *(each[1] for each in told)))
    columns = ("module", "baseline", "candidate", "closed form, baseline", "candidate")
    return Section(f"{TITLE}, the first layer", (), cut(columns, cells, 40))


def layer_words(row: SavedRow) -> str:
    """`layers 0 to 2`, or what lies outside."""
    if not row.layers:
        return _OUTSIDE
    first, last = row.layers[0], row.layers[-1]
    return f"{first}" if first == last else f"{first} to {last}"


def _agreement(rows: Sequence[SavedRow]) -> str:
    difference = largest_difference(tuple(rows))
    if difference is None:
        return "Whole storages, each once; this run has no closed form to stand beside."
    if difference == 0:
        return "Whole storages, each once: what the closed form says, to the byte."
    return f"Whole storages, each once; the closed form is off by up to {format_percent(difference)}."


def _firsts(rows: Sequence[SavedRow]) -> list[SavedRow]:
    """One row for each group of layers."""
    return list({row.layers: row for row in reversed(rows) if row.layers}.values())[::-1]


def _first_layer(rows: Sequence[SavedRow]) -> dict[str, SavedRow]:
    return {row.item: row for row in rows if row.layers and 0 in row.layers}


def _sum(rows: Sequence[SavedRow], layers: tuple[int, ...]) -> int:
    return sum(row.size_bytes for row in rows if row.layers == layers)


def _sum_closed(rows: Sequence[SavedRow], layers: tuple[int, ...]) -> int | None:
    told = [row.closed_form_bytes for row in rows if row.layers == layers]
    return None if None in told else sum(size or 0 for size in told)
