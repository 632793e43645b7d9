"""Degrees of tensor parallelism side by side, and the shapes of a layer's activations: JSON and sections."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from commscope.report.sections import Section, cut
from commscope.theory.degrees import largest_drop
from commscope.theory.shapes import layer_shapes
from commscope.units import format_bytes, format_count, format_percent, format_time

if TYPE_CHECKING:
    from commscope.theory.degrees import Degree
    from commscope.theory.gpus import Gpu
    from commscope.theory.shapes import PlaceShape
    from commscope.trace import ModelShape

DEGREES_SCHEMA = "commscope.plan-degrees/1"


def degrees_document(degrees: Sequence[Degree], model: ModelShape, gpu: Gpu) -> dict[str, Any]:
    """`commscope.plan-degrees/1`; a refused degree has nulls and says why."""
    drop = largest_drop(degrees)
    return {
        "schema": DEGREES_SCHEMA,
        "model": dataclasses.asdict(model),
        "gpu": gpu.name,
        "gpus_per_node": gpu.gpus_per_node,
        "rows": [_document(one, _first(degrees)) for one in degrees],
        "largest_drop": None if drop is None else {"from": drop[0].tp, "to": drop[1].tp},
        "shapes_at": _shown_degree(degrees, gpu),
        "shapes": [dataclasses.asdict(row) for row in _shapes(degrees, model, gpu)],
    }


def degrees_sections(degrees: Sequence[Degree], model: ModelShape, gpu: Gpu) -> list[Section]:
    """Throughput and memory by degree, where the node ends, then a layer's shapes."""
    first = _first(degrees)
    cells = [_cells(one, first) for one in degrees]
    columns = ("TP", "nodes", "step", "tokens/s a GPU", "of the first", "wire on a ring", "collectives' time",
               "limited by", "memory", "fits")  # fmt: skip
    shape = f"{model.layers} layers of {model.hidden}, {model.seq} tokens, batch {model.batch}"
    title = f"{model.family} by degree of tensor parallelism on {gpu.name}: {shape}"
    table = Section(title, tuple(drop_words(degrees, gpu)), cut(columns, cells, len(cells)))
    at = _shown_degree(degrees, gpu)
    if at is None:
        return [table]
    return [table, shapes_section(_shapes(degrees, model, gpu), at)]


def drop_words(degrees: Sequence[Degree], gpu: Gpu) -> list[str]:
    """Where throughput falls most, and whether that is where the node ends."""
    drop = largest_drop(degrees)
    found = []
    if drop is not None:
        before, after = drop
        share = (after.throughput or 0.0) / (before.throughput or 1.0) - 1
        where = f", where TP leaves the node of {gpu.gpus_per_node}" if after.nodes > before.nodes else ""
        found.append(
            f"Throughput a GPU falls most from TP={before.tp} to TP={after.tp}{where}: "
            f"{format_percent(share, signed=True)}."
        )
    found.append(f"A node is {gpu.gpus_per_node} GPUs. Wire bytes are a ring's; time is each algorithm's.")
    return found


def shapes_section(rows: Sequence[PlaceShape], degree: int) -> Section:
    """What one rank holds at every place of a layer."""
    cells = [(row.place, words_of(row.tp), row.by_tp, words_of(row.sp), row.by_sp) for row in rows]
    columns = ("place", f"TP={degree}", "by", f"TP={degree} + SP", "by")
    sentence = "[sequence, batch, width]; inputs of column-parallel products are whole under both."
    return Section("Activations of one rank at every place of a layer", (sentence,), cut(columns, cells, 40))


def words_of(shape: Sequence[int]) -> str:
    """`[2048, 4, 6144]`."""
    return f"[{', '.join(map(str, shape))}]"


def _first(degrees: Sequence[Degree]) -> float | None:
    return next((one.throughput for one in degrees if one.throughput is not None), None)


def _shown_degree(degrees: Sequence[Degree], gpu: Gpu) -> int | None:
    """The largest within a node that has a plan, else the smallest above one rank."""
    told = [one.tp for one in degrees if one.planned is not None and one.tp > 1]
    return max((tp for tp in told if tp <= gpu.gpus_per_node), default=min(told, default=None))


def _shapes(degrees: Sequence[Degree], model: ModelShape, gpu: Gpu) -> tuple[PlaceShape, ...]:
    at = _shown_degree(degrees, gpu)
    return () if at is None else layer_shapes(model, at)


def _cells(one: Degree, first: float | None) -> tuple[str, ...]:
    if one.planned is None or one.throughput is None:
        return (str(one.tp), str(one.nodes), "", "", "", "", "", one.refused, "", "")
    planned = one.planned
    return (
        str(one.tp),
        str(one.nodes),
        format_time(planned.step.time_ns),
        format_count(round(one.throughput)),
        format_percent(one.throughput / (first or one.throughput)),
        format_bytes(planned.wire_bytes),
        format_time(planned.communication_ns),
        planned.step.limited_by,
        format_bytes(planned.memory.total_bytes),
        "yes" if planned.fits else "no",
    )


def _document(one: Degree, first: float | None) -> dict[str, Any]:
    planned, throughput = one.planned, one.throughput
    told = planned is not None and throughput is not None
    return {
        "tp": one.tp,
        "nodes": one.nodes,
        "time_ns": round(planned.step.time_ns) if planned else None,
        "low_ns": round(planned.step.low_ns) if planned else None,
        "high_ns": round(planned.step.high_ns) if planned else None,
        "throughput": throughput,
        "relative_throughput": throughput / first if told and throughput and first else None,
        "limited_by": planned.step.limited_by if planned else None,
        "wire_bytes": planned.wire_bytes if planned else None,
        "communication_ns": round(planned.communication_ns) if planned else None,
        "memory_bytes": planned.memory.total_bytes if planned else None,
        "fits": planned.fits if planned else None,
        "refused": one.refused or None,
    }
