"""Answers as pandas tables: Analysis -> DataFrame, units in the names of its columns, absent values NA."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from commscope.analysis.naming import spent_words
from commscope.analysis.result import Analysis, RankBreakdown
from commscope.report.contract import analysis_document
from commscope.schema import CAPTURE, SERVING_PHASES, Phase
from commscope.whatif import Outcome

_STEPS = ("rank", "window", "start_ns", "end_ns", "span_ns")
_STALLS = ("window", "victim", "culprit", "wait_ns", "cause", "propagated_ns")
_GAPS = ("code", "message", "ranks", "serious", "cost", "hint")
_PATH = (
    "window",
    "start_ns",
    "end_ns",
    "rank",
    "kind",
    "phase",
    "collective",
    "layer",
    "instance",
    "by_name",
)
_WHATIF = ("window", "recorded_ns", "replayed_ns", "change", "becomes_critical")


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> pd.DataFrame:
    """Rows as a table; integers stay integers where a value is absent. `columns` stand also without rows."""
    return pd.DataFrame(list(rows), columns=list(columns) or None).convert_dtypes()


def breakdown(analysis: Analysis) -> pd.DataFrame:
    """One row a rank and window; compute by phase as `compute_forward_ns` and so on."""
    return table(_flat(row) for row in analysis.breakdown)


def _flat(row: RankBreakdown) -> dict[str, Any]:
    told = dataclasses.asdict(row)
    phases = told.pop("compute_by_phase_ns")
    told.pop("compute_by_layer_ns")
    asked = [phase for phase in Phase if phase not in SERVING_PHASES or phase in (phases or {})]
    by_phase = {f"compute_{phase}_ns": None if phases is None else phases.get(phase, 0) for phase in asked}
    return {**told, **by_phase}


def collectives(analysis: Analysis) -> pd.DataFrame:
    """The rows of `collectives` of the JSON: instances of a window summed by everything but their times."""
    return table(analysis_document(analysis)["collectives"])


def stalls(analysis: Analysis) -> pd.DataFrame:
    """Who waited for whom: one row a window, victim and culprit."""
    rows = ({name: getattr(stall, name) for name in _STALLS} for stall in analysis.stalls)
    return table(rows, _STALLS)


def critical_path(analysis: Analysis) -> pd.DataFrame:
    """The parts of the critical path of each window, in order, without a gap; on the common clock."""
    rows = (
        {
            "window": path.window,
            **{field: getattr(part, field) for field in _PATH[1:-1]},
            "by_name": spent_words(part.spent) or None,
        }
        for path in analysis.critical_paths
        for part in path.parts
    )
    return table(rows, _PATH)


def gaps(analysis: Analysis) -> pd.DataFrame:
    """What the trace does not tell, and why."""
    return table(({name: getattr(gap, name) for name in _GAPS} for gap in analysis.gaps), _GAPS)


def steps(analysis: Analysis) -> pd.DataFrame:
    """One row a rank and step, on the common clock; empty where the trace marks none."""
    rows = (
        {"rank": rank, "window": one.name, **_span(one.start_ns, one.end_ns)}
        for rank, windows in sorted(analysis.rank_windows.items())
        for one in windows
        if one.name != CAPTURE
    )
    return table(rows, _STEPS)


def replayed(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Steps as recorded and as they would be; `change` = replayed / recorded - 1."""
    rows = (
        {
            "window": one.window,
            "recorded_ns": one.before_ns,
            "replayed_ns": one.after_ns,
            "change": one.ratio - 1,
            "becomes_critical": one.becomes_critical,
        }
        for one in outcomes
    )
    return table(rows, _WHATIF)


def _span(start_ns: int, end_ns: int) -> dict[str, int]:
    return {"start_ns": start_ns, "end_ns": end_ns, "span_ns": end_ns - start_ns}
