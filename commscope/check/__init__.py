"""The gate for CI: runs against budgets, expectations and baselines -> Verdict, with the culprit of
each failure."""

from __future__ import annotations

from commscope.check.gate import check, check_snapshots
from commscope.check.result import Row, RunVerdict, Verdict
from commscope.check.rules.budgets import Budget, Config, Expectation
from commscope.check.rules.config import load_config, parse_config
from commscope.check.samples.baseline import (
    Baseline,
    group_runs,
    load_baselines,
    read_baseline,
    write_baseline,
)
from commscope.check.samples.history import ChangePoint, Series, history
from commscope.check.samples.snapshot import Snapshot, snapshot

__all__ = [
    "Baseline",
    "Budget",
    "ChangePoint",
    "Config",
    "Expectation",
    "Row",
    "RunVerdict",
    "Series",
    "Snapshot",
    "Verdict",
    "check",
    "check_snapshots",
    "group_runs",
    "history",
    "load_baselines",
    "load_config",
    "parse_config",
    "read_baseline",
    "snapshot",
    "write_baseline",
]
