"""What was pointed at or is known but was not checked: it is listed, and it is an error, never fine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from commscope.analysis.result import Analysis
from commscope.check.result import Row, RunVerdict, Verdict
from commscope.units import format_ranks

UNREADABLE_REST = ("truncated", "corrupt", "too_large")  # codes of gaps: how much is gone nobody knows


def with_unvisited(verdict: Verdict, due: Iterable[str], passed_over: Iterable[Path]) -> Verdict:
    """The verdict, and an error for each baseline that is due and each folder without a run."""
    checked = {run.baseline for run in verdict.runs}
    lost = {path.name: f"there is no run in {path}" for path in passed_over}
    for name in due:
        if name not in checked:
            lost.setdefault(name, f"the baseline knows {name}, but there is no run of it")
    return _with(verdict, lost)


def with_unmatched(verdict: Verdict, patterns: Iterable[str], known: Iterable[str]) -> Verdict:
    """The verdict, and an error for each [runs."pattern"] that no run and no name of a baseline matches."""
    names = {*known, *(run.run for run in verdict.runs)}
    lost = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    return _with(verdict, {pattern: f'[runs."{pattern}"] matches no run' for pattern in lost})


def with_unanswerable(verdict: Verdict, runs: Iterable[Analysis]) -> Verdict:
    """The verdict, and an error for each run that holds too little to be held against anything."""
    found = {str(run.run.path): _why_unanswerable(run) for run in runs}
    return _with(verdict, {name: why for name, why in found.items() if why})


def _why_unanswerable(run: Analysis) -> str:
    empty = [rank for rank in run.ranks if not run.coverage.get(rank, {}).get("events")]
    if empty:
        return f"no event was recorded on {format_ranks(empty)}"
    return next((gap.message for gap in run.gaps if gap.code in UNREADABLE_REST), "")


def _with(verdict: Verdict, lost: Mapping[str, str]) -> Verdict:
    return replace(verdict, runs=(*verdict.runs, *[_unanswered(name, why) for name, why in lost.items()]))


def _unanswered(name: str, why: str) -> RunVerdict:
    row = Row("run", "error", "not-comparable", None, None, "every run is checked", why=why)
    return RunVerdict(name, None, (row,), notes=(why,), comparable=False)
