"""Forecasts of other layouts as JSON and as sections: Machine and Forecasts -> what one reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from commscope.forecast.cells import calls_of
from commscope.layouts import layout_words
from commscope.report.sections import Section, cut
from commscope.theory.flops import step_flops
from commscope.theory.parameters import rank_parameters
from commscope.units import (
    format_bandwidth,
    format_bytes,
    format_count,
    format_percent,
    format_time,
)

if TYPE_CHECKING:
    from commscope.forecast import Forecast, Machine
    from commscope.forecast.rates import Rate
    from commscope.trace import Layout

FORECAST_SCHEMA = "commscope.forecast/1"


def forecast_document(
    machine: Machine, rates: Sequence[Rate], rows: Sequence[Forecast], asked: Forecast | None = None
) -> dict[str, Any]:
    """`commscope.forecast/1`, the quickest first; `recorded` is the layout of the run.

    The keys of a plan are those of the layout that was asked for, else of the recorded one.
    """
    recorded = next(row for row in rows if row.layout == machine.layout)
    return {
        "schema": FORECAST_SCHEMA,
        **_as_plan(machine, asked or recorded),
        "run": machine.analysis.run.name,
        "recorded": dataclasses.asdict(machine.layout),
        "model": dataclasses.asdict(machine.model),
        "rates": [dataclasses.asdict(rate) for rate in rates],
        "cores": machine.cores,
        "rows": [_document(row, recorded) for row in rows],
    }


def _as_plan(machine: Machine, row: Forecast) -> dict[str, Any]:
    """Memory, step, communication, parameters and operations, as `plan` tells them."""
    parts = {part: round(time) for part, time in row.parts_ns.items()}
    calls = [
        {
            "collective": kind,
            "count": count,
            "payload_bytes": payload,
            "algorithm": machine.transfers.really(kind),
            "time_ns": round(count * machine.transfers.time_ns(kind, payload, ranks, row.crowding)),
            "phase": phase,
        }
        for (phase, _), called in calls_of(row.layout, machine.model).items()
        for kind, payload, ranks, count in called
    ]
    return {
        "layout": dataclasses.asdict(row.layout),
        "memory": {
            "total_bytes": row.memory.total_bytes,
            "by_part_bytes": row.memory.by_part_bytes,
            "capacity_bytes": None,
            "fits": None,
        },
        "step": {
            "time_ns": round(row.time_ns),
            "low_ns": round(row.low_ns),
            "high_ns": round(row.high_ns),
            "limited_by": max(parts, key=lambda part: parts[part], default=""),
            "parts_ns": parts,
        },
        "communication": {
            "time_ns": sum(call["time_ns"] for call in calls),
            "by_collective": calls,
        },
        "parameters": rank_parameters(replace(row.layout, tp=1), machine.model).total,
        "flops": dataclasses.asdict(step_flops(row.layout, machine.model)),
    }


def forecast_sections(
    machine: Machine, rates: Sequence[Rate], rows: Sequence[Forecast], asked: Forecast | None = None
) -> list[Section]:
    """The ranking and what would narrow it, then what the run says of the machine."""
    recorded = next(row for row in rows if row.layout == machine.layout)
    cells = [_cells(row, recorded) for row in rows]
    columns = (
        *("layout", "ranks", "step", "between", "against recorded", "memory", "spends most in"),
        "largest doubt",
    )
    title = f"From {machine.analysis.run.name}: {machine.model.family} on this machine"
    told_first = [_asked_words(asked, recorded)] if asked else []
    ranking = Section(title, (*told_first, *_sentences(rows, recorded)), cut(columns, cells, len(cells)))
    told = [(rate.name, _rate_words(rate), rate.measured_on) for rate in rates]
    if machine.cores is not None:
        told.append(("cores that the ranks share", format_count(machine.cores), "the host"))
    return [ranking, Section("What the run says of the machine", (), cut(("of", "value", "from"), told, 40))]


def _sentences(rows: Sequence[Forecast], recorded: Forecast) -> tuple[str, ...]:
    best, others = rows[0], rows[1:]
    found = [
        (
            f"Recorded: {words_of(recorded.layout)}, {format_time(recorded.time_ns)} a step. "
            f"Quickest: {words_of(best.layout)}, {format_time(best.time_ns)}, between "
            f"{format_time(best.low_ns)} and {format_time(best.high_ns)}."
        )
    ]
    alike = [row for row in others if row.low_ns < best.high_ns]
    if alike:
        names = "; ".join(words_of(row.layout) for row in alike[:3])
        more = f" and {len(alike) - 3} more" if len(alike) > 3 else ""
        found.append(f"Not told apart from it: {names}{more}.")
    told = {row.doubts[0].measurement: row for row in (best, *alike) if row.doubts}
    narrowing = [name for name in told if name.startswith("commscope")][:2] or list(told)[:1]
    if narrowing and alike:
        found.append(f"What would narrow it: {'; '.join(narrowing)}.")
    crowded = [row for row in rows if row.crowding != 1.0]
    if crowded:
        ranks = max(row.ranks for row in crowded)
        found.append(
            f"With {ranks} ranks they share the cores of this host; on cores of their own they do not."
        )
    found.append(
        "Memory is the closed form of saved tensors, gradients and optimizer, without the process itself."
    )
    return tuple(found)


def _asked_words(row: Forecast, recorded: Forecast) -> str:
    change = format_percent(row.time_ns / recorded.time_ns - 1, signed=True)
    return (
        f"{words_of(row.layout)}: {format_time(row.time_ns)} a step, between {format_time(row.low_ns)} and "
        f"{format_time(row.high_ns)}; {change} against the recorded {words_of(recorded.layout)}."
    )


def _cells(row: Forecast, recorded: Forecast) -> tuple[str, ...]:
    most = max(row.parts_ns, key=lambda kind: row.parts_ns[kind], default="")
    doubt = row.doubts[0] if row.doubts else None
    assumed = " (assumed)" if doubt and doubt.is_assumed else ""
    return (
        words_of(row.layout),
        format_count(row.ranks),
        format_time(row.time_ns),
        f"{format_time(row.low_ns)} to {format_time(row.high_ns)}",
        format_percent(row.time_ns / recorded.time_ns - 1, signed=True),
        format_bytes(row.memory.total_bytes),
        most,
        f"{doubt.what}{assumed}: {format_time(doubt.time_ns)}" if doubt else "",
    )


def _rate_words(rate: Rate) -> str:
    if rate.unit == "flops_per_ns":
        return f"{rate.value:.3g} GFLOP/s" if rate.value < 1e3 else f"{rate.value / 1e3:.3g} TFLOP/s"
    return format_bandwidth(rate.value) if rate.unit == "bytes_per_ns" else format_time(rate.value)


def words_of(layout: Layout) -> str:
    """The layout, and whether SP keeps what it gathered."""
    return layout_words(layout) + ", gathered inputs kept" * layout.sp_keep_gathered


def _document(row: Forecast, recorded: Forecast) -> dict[str, Any]:
    return {
        "layout": dataclasses.asdict(row.layout),
        "ranks": row.ranks,
        "time_ns": round(row.time_ns),
        "low_ns": round(row.low_ns),
        "high_ns": round(row.high_ns),
        "ratio": row.time_ns / recorded.time_ns,
        "parts_ns": row.parts_ns,
        "memory_bytes": row.memory.total_bytes,
        "crowding": row.crowding,
        "doubts": [dataclasses.asdict(doubt) for doubt in row.doubts],
    }
