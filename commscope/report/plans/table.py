"""Many plans side by side: their scaling against the first, and errors where steps were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from commscope.report.sections import Section, cut
from commscope.units import format_bytes, format_count, format_percent, format_time

if TYPE_CHECKING:
    from commscope.theory.plan import Plan

PLAN_TABLE_SCHEMA = "commscope.plan-table/1"


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of the table: a plan, or why there is none; and what was measured."""

    case: str
    planned: Plan | None
    refused: str = ""
    measured_ns: float | None = None
    measured_bytes: float | None = None


def table_document(rows: Sequence[PlannedRow], constants: dict[str, float | str]) -> dict[str, Any]:
    """`commscope.plan-table/1`; what a row does not have is null."""
    first = next((row.planned for row in rows if row.planned), None)
    return {
        "schema": PLAN_TABLE_SCHEMA,
        "constants": constants,
        "serial_share": serial_share([row.planned for row in rows if row.planned]),
        "rows": [_document(row, first) for row in rows],
    }


def table_sections(rows: Sequence[PlannedRow], constants: dict[str, float | str]) -> list[Section]:
    """A table, and a sentence on how it scales."""
    told = table_document(rows, constants)
    cells = [_cells(row) for row in told["rows"]]
    columns = (
        *(
            "case",
            "parameters",
            "wire on a ring",
            "collectives' time",
            "memory",
            "fits",
            "error",
            "step",
            "error",
            "limited by",
        ),
        *("efficiency", "by operations"),
    )
    set_by = f"{constants['host_ms_per_layer']:.2f} ms a layer: {constants['source']}."
    sentences = [f"Efficiency {constants['efficiency']:.3f}, host {set_by}"]
    if told["serial_share"] is not None:
        sentences.append(
            f"Amdahl's serial share over the TP degrees: {format_percent(told['serial_share'])}."
        )
    return [Section("Plans of a table", tuple(sentences), cut(columns, cells, len(cells)))]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row in words; a refused one says why and is empty besides."""
    if row["refused"] is not None:
        return (row["case"], *[""] * 8, row["refused"], "", "")
    errors = [row[name] for name in ("memory_error", "time_error")]
    memory_error, time_error = (
        format_percent(error, signed=True) if error is not None else "" for error in errors
    )
    return (
        row["case"],
        format_count(row["parameters"]),
        format_bytes(row["wire_bytes"]),
        format_time(row["communication_ns"]),
        format_bytes(row["memory_bytes"]),
        "yes" if row["fits"] else "no",
        memory_error,
        format_time(row["time_ns"]),
        time_error,
        row["limited_by"],
        format_percent(row["efficiency"]),
        format_percent(row["efficiency_by_operations"]),
    )


def serial_share(plans: Sequence[Plan]) -> float | None:
    """Share s of Amdahl's T(t) = T(1) (s + (1 - s)/t) by least squares, if rows differ in tp alone."""
    if len({(plan.model, plan.layout.dp, plan.layout.pp, plan.layout.cp) for plan in plans}) != 1:
        return None
    degrees = {plan.layout.tp: plan.step.time_ns for plan in plans}
    if 1 not in degrees or len(degrees) != len(plans) or len(degrees) < 2:
        return None
    scaled = [(1 - 1 / tp, time / degrees[1] - 1 / tp) for tp, time in degrees.items()]
    return sum(x * y for x, y in scaled) / sum(x * x for x, _ in scaled)


def _document(row: PlannedRow, first: Plan | None) -> dict[str, Any]:
    empty = dict.fromkeys(
        (
            *(
                "parameters",
                "flops_per_rank",
                "payload_bytes",
                "wire_bytes",
                "memory_bytes",
                "fits",
                "time_ns",
            ),
            *("low_ns", "high_ns", "limited_by", "efficiency", "efficiency_by_operations"),
            "communication_ns",
        )
    )
    measured = {"measured_ns": row.measured_ns, "measured_bytes": row.measured_bytes}
    planned = row.planned
    if planned is None or first is None:
        errors = {"time_error": None, "memory_error": None}
        return {"case": row.case, **empty, **measured, **errors, "refused": row.refused}
    step, memory = planned.step, planned.memory.total_bytes
    return {
        "case": row.case,
        "parameters": planned.parameters,
        "flops_per_rank": _flops_per_rank(planned),
        "payload_bytes": planned.payload_bytes,
        "wire_bytes": planned.wire_bytes,
        "memory_bytes": memory,
        "fits": planned.fits,
        "time_ns": round(step.time_ns),
        "low_ns": round(step.low_ns),
        "high_ns": round(step.high_ns),
        "limited_by": step.limited_by,
        "efficiency": first.step.time_ns / step.time_ns,
        "efficiency_by_operations": _rate(planned) / _rate(first),
        "communication_ns": round(planned.communication_ns),
        **measured,
        "time_error": _error(step.time_ns, row.measured_ns),
        "memory_error": _error(memory, row.measured_bytes),
        "refused": None,
    }


def _flops_per_rank(planned: Plan) -> float:
    layout = planned.layout
    return planned.flops.model / (layout.tp * layout.pp * layout.cp)


def _rate(planned: Plan) -> float:
    return _flops_per_rank(planned) / planned.step.time_ns


def _error(found: float, measured: float | None) -> float | None:
    return None if measured is None else found / measured - 1
