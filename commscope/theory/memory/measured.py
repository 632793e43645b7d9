"""What autograd keeps of each layer, measured beside the closed form: RunInfo -> rows by layers and module.

Measured are whole storages, each once, of one microbatch on the rank that keeps the most. The closed form is
that of the built-in workloads; a run that does not say its layout and model has none.
"""

from __future__ import annotations

from dataclasses import dataclass

from commscope.theory.memory.workload import saved_by_module
from commscope.trace import RunInfo

Form = dict[str, int]


@dataclass(frozen=True, slots=True)
class SavedRow:
    """One module of layers that keep alike; `layers` is empty outside layers."""

    layers: tuple[int, ...]
    item: str
    size_bytes: int  # of one of the layers
    closed_form_bytes: int | None


def saved_rows(run: RunInfo) -> tuple[SavedRow, ...]:
    """Layers that keep the same are told together, in order; then what lies outside layers."""
    rank = _fullest(run)
    by_layer: dict[int | None, Form] = {}
    for row in run.saved:
        if row.rank == rank:
            by_layer.setdefault(row.layer, {})[row.item] = row.size_bytes
    alike: dict[tuple[tuple[str, int], ...], list[int | None]] = {}
    for layer, items in by_layer.items():
        alike.setdefault((*items.items(), ("", -1 if layer is None else 0)), []).append(layer)
    found: list[SavedRow] = []
    for layers in alike.values():
        told = tuple(layer for layer in layers if layer is not None)
        form = _closed_form(run, told)
        items = by_layer[layers[0]]
        names = dict.fromkeys([*items, *(form or ())])
        found += [
            SavedRow(told, name, items.get(name, 0), form.get(name, 0) if form is not None else None)
            for name in names
        ]
    return tuple(sorted(found, key=lambda row: row.layers or (1 << 31,)))


def largest_difference(rows: tuple[SavedRow, ...]) -> float | None:
    """How far the sum of a layer is from its closed form at most, relative; None without one."""
    sums: dict[tuple[int, ...], tuple[int, int]] = {}
    for row in rows:
        if row.closed_form_bytes is not None:
            measured, closed = sums.get(row.layers, (0, 0))
            sums[row.layers] = measured + row.size_bytes, closed + row.closed_form_bytes
    return max((abs(one / other - 1) for one, other in sums.values() if other), default=None)


def _fullest(run: RunInfo) -> int | None:
    totals: dict[int, int] = {}
    for row in run.saved:
        totals[row.rank] = totals.get(row.rank, 0) + row.size_bytes
    return max(totals, key=lambda rank: totals[rank], default=None)


def _closed_form(run: RunInfo, layers: tuple[int, ...]) -> Form | None:
    if run.layout is None or run.model is None or not layers:
        return None
    return saved_by_module(run.layout, run.model, layers[0])
