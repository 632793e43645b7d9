"""The JSON contract: Analysis, Comparison and Verdict as plain documents. Absent values are null."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from commscope.analysis.result import Analysis, RankBreakdown
from commscope.analysis.summary import GROUP_KEYS, step_windows, totals_of, typical_window
from commscope.compare import Comparison, Utilisation, other_load_of, utilisation_of
from commscope.report.analysis_sections import headline
from commscope.report.found import activity_document, late_document, proposal_documents, table_documents
from commscope.report.plain_json import dumps as dumps  # noqa: PLC0414 - asked for here by others
from commscope.schema import ANALYSIS_SCHEMA, CAPTURE, COMPARISON_SCHEMA, VERDICT_SCHEMA
from commscope.theory.memory import saved_rows
from commscope.trace import Gap, RunInfo


def analysis_document(analysis: Analysis, gpu: str | None = None) -> dict[str, Any]:
    """`commscope analyze --format json`."""
    return {
        "schema": ANALYSIS_SCHEMA,
        "run": _run(analysis),
        "gaps": [gap_document(gap) for gap in analysis.gaps],
        "windows": [
            {"name": window.name, "start_ns": window.start_ns, "end_ns": window.end_ns}
            for window in analysis.windows
        ],
        "breakdown": [_breakdown(row) for row in analysis.breakdown],
        "collectives": _collectives(analysis),
        "matching": dataclasses.asdict(analysis.matching),
        "clock": None if analysis.clock is None else dataclasses.asdict(analysis.clock),
        "stalls": [
            {**dataclasses.asdict(stall), "cause": stall.cause, "propagated_ns": stall.propagated_ns}
            for stall in analysis.stalls
        ],
        "critical_path": [
            {
                "window": path.window,
                "length_ns": path.length_ns,
                "by_kind_ns": path.by_kind_ns,
                "by_rank_ns": path.by_rank_ns,
                "by_phase_ns": path.by_phase_ns,
                "by_collective_ns": path.by_collective_ns,
                "hand_offs": path.hand_offs,
                "blocking_ns": path.blocking_ns,
                "activities": [activity_document(one, ns, rank=rank) for rank, one, ns in path.spent],
            }
            for path in analysis.critical_paths
        ],
        "memory": [dataclasses.asdict(row) for row in analysis.memory],
        "headline": list(headline(analysis, typical_window(analysis)).sentences),
        "utilisation": _utilisation(utilisation_of(analysis, gpu)),
        "proposals": proposal_documents(analysis, typical_window(analysis)),
        "tables": table_documents(analysis, typical_window(analysis)),
        "late_arrivals": [late_document(one) for one in analysis.late_arrivals],
        "saved": [dataclasses.asdict(row) for row in saved_rows(analysis.run)],
    }


if TYPE_CHECKING:  # what a command does not use it does not import
    from commscope.check import Series, Verdict
    from commscope.compare import Comparison


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """`commscope compare --format json`."""
    return {
        "schema": COMPARISON_SCHEMA,
        "baseline": comparison.names[0],
        "candidate": comparison.names[1],
        "comparable": comparison.comparable,
        "differences": [dataclasses.asdict(row) for row in comparison.differences],
        "verdict": comparison.verdict,
        "headline": comparison.headline,
        "findings": list(comparison.findings),
        "recordings": list(comparison.recordings),
        "unknown": list(comparison.unknown),
        "other_load": {side: _load(run) for side, run in _runs(comparison).items()},
        "metrics": [dataclasses.asdict(row) for row in comparison.metrics],
        "utilisation": dict(
            zip(("baseline", "candidate"), map(_utilisation, comparison.utilisation), strict=True)
        ),
    }


def _runs(comparison: Comparison) -> dict[str, RunInfo]:
    return {"baseline": comparison.baseline.run, "candidate": comparison.candidate.run}


def _utilisation(used: Utilisation) -> dict[str, Any]:
    """FLOPs of a step and rank, their rates, and shares of the device's peak."""
    rates = ("model_flops_per_s", "hardware_flops_per_s", "mfu", "hfu")
    by_phase = {phase: round(time_ns) for phase, time_ns in used.compute_by_phase_ns.items()}
    told = {**dataclasses.asdict(used), "compute_by_phase_ns": by_phase or None}
    return {**told, **{name: getattr(used, name) for name in rates}}


def _load(run: RunInfo) -> dict[str, float] | None:
    """Cores busy with other programs while it was recorded."""

    load = other_load_of(run)
    return None if load is None else dataclasses.asdict(load)


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """`commscope check --format json`."""
    runs = [
        {
            "run": run.run,
            "baseline": run.baseline,
            "status": run.status,
            "notes": list(run.notes),
            "differences": [dataclasses.asdict(row) for row in run.differences],
            "rows": [dataclasses.asdict(row) for row in run.rows],
        }
        for run in verdict.runs
    ]
    return {"schema": VERDICT_SCHEMA, "status": verdict.status, "exit_code": verdict.exit_code, "runs": runs}


def history_document(series: Sequence[Series]) -> list[dict[str, Any]]:
    """Values of each metric over runs, and where they changed."""
    return [dataclasses.asdict(one) for one in series]


def gap_document(gap: Gap) -> dict[str, Any]:
    """One gap as a JSON object."""
    return {**dataclasses.asdict(gap), "ranks": list(gap.ranks)}


def _run(analysis: Analysis) -> dict[str, Any]:
    run = analysis.run
    return {
        "name": run.name,
        "source": run.source,
        "backend": run.backend,
        "world_size": run.world_size,
        "ranks": list(analysis.ranks),
        "missing_ranks": list(analysis.missing_ranks),
        "layout": None if run.layout is None else dataclasses.asdict(run.layout),
        "model": None if run.model is None else dataclasses.asdict(run.model),
        "versions": run.versions,
        "devices": list(run.devices),
        "sent_bytes": run.sent_bytes or None,
    }


def _breakdown(row: RankBreakdown) -> dict[str, Any]:
    host_bound_ns = row.host_bound_ns or 0
    return {**dataclasses.asdict(row), "idle_ns": row.idle_ns + host_bound_ns}


def _collectives(analysis: Analysis) -> list[dict[str, Any]]:
    """Rows of every window that has some, in the order of the windows; all steps are summed at once."""
    table = analysis.instances
    rows: dict[str, list[dict[str, Any]]] = {window.name: [] for window in analysis.windows}
    rows[CAPTURE] = _collective_rows(totals_of(table.assign(window=CAPTURE), ("window", *GROUP_KEYS)))
    steps = table[table["window"].isin(step_windows(analysis))]
    for row in _collective_rows(totals_of(steps, ("window", *GROUP_KEYS))):
        rows[row["window"]].append(row)
    return [row for of_window in rows.values() for row in of_window]


def _collective_rows(totals: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {
        str(name): [
            None if absent else one for one, absent in zip(column.tolist(), column.isna(), strict=True)
        ]
        for name, column in totals.items()
    }
    return [_with_busbw(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _with_busbw(row: dict[str, Any]) -> dict[str, Any]:
    wire_bytes, transfer_ns = row.pop("matched_wire_bytes"), row.pop("matched_transfer_ns")
    return {**row, "busbw_gbps": wire_bytes / transfer_ns if wire_bytes and transfer_ns else None}
