"""The gate: runs, baselines and budgets -> Verdict. Every row says what was expected, what was found
and why."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from commscope.analysis.result import Analysis
from commscope.check.result import BROKEN, Row, RunVerdict, Verdict
from commscope.check.rows import (
    ORDER,
    Context,
    exact_row,
    expectation_row,
    order_row,
    straggler_row,
    timed_row,
    work_row,
)
from commscope.check.rules.budgets import Budget, Config, budget_for, covers, default_budgets
from commscope.check.samples.baseline import Baseline, configuration_of, group_runs
from commscope.check.samples.other_load import load_doubt
from commscope.check.samples.own_time import STRAGGLER
from commscope.check.samples.sides import Sides
from commscope.check.samples.snapshot import Snapshot, snapshot
from commscope.compare.comparability import MACHINE, counts_make_sense, differences_between
from commscope.compare.measures.moved import EXACT
from commscope.compare.measures.work import WORK
from commscope.compare.result import Difference

_SEVERITY = {"regressed": 0, "changed": 1, "broken": 1, "missing": 2, "not-comparable": 3}


def check(
    runs: Sequence[Analysis], baselines: Mapping[str, Baseline] | None = None, config: Config | None = None
) -> Verdict:
    """Hold every run against its baseline and the expectations of the configuration."""
    return check_snapshots([snapshot(run) for run in runs], baselines or {}, config or _default())


def check_snapshots(runs: Sequence[Snapshot], baselines: Mapping[str, Baseline], config: Config) -> Verdict:
    """The same, for runs already reduced."""
    verdicts = [
        _check_one(name, members, baselines.get(configuration_of(members[0], baselines)), config)
        for name, members in group_runs(runs, baselines).items()
    ]
    return Verdict(tuple(verdicts), config.where)


def _default() -> Config:
    return Config(budgets=default_budgets())


def _check_one(
    name: str, runs: tuple[Snapshot, ...], baseline: Baseline | None, config: Config
) -> RunVerdict:
    sides = Sides(baseline.runs if baseline else (), runs)
    differences = _differences(sides)
    context = Context(
        sides, differences, _command(sides, baseline), load_doubt(sides, config.most_other_load)
    )
    expected = [
        expectation_row(rule, runs)
        for rule in config.expectations
        if rule.level != "off" and fnmatchcase(name, rule.run)
    ]
    rows = [*expected, *_missing_ranks(runs, context)]
    notes: list[str] = []
    comparable = True
    if baseline is None:
        if not expected:
            rows.append(Row("baseline", "error", "not-comparable", None, None, "", why=_no_baseline(name)))
            comparable = False
    else:
        judged, comparable = _against_baseline(sides, context, config, name)
        rows += [*_other_amount(differences), *judged]
        notes = [f"{row.field}: {row.baseline} → {row.candidate}" for row in differences]
    rows = [replace(row, command=row.command or context.command) for row in rows]
    return RunVerdict(
        run=name if len(runs) > 1 or name == runs[0].path else runs[0].name,
        baseline=baseline.name if baseline else None,
        rows=tuple(sorted(rows, key=_severity)),
        differences=differences,
        notes=tuple(notes),
        comparable=comparable,
    )


_AMOUNT = ("tokens", "model.batch", "model.microbatches")


def _other_amount(differences: Sequence[Difference]) -> list[Row]:
    """The same model in the same layout, fed another amount a step: a change of this program, not another."""
    amounts = [row for row in differences if row.field in _AMOUNT]
    others = [row for row in differences if row.breaks and row.field not in (*_AMOUNT, *MACHINE)]
    layouts = [row for row in differences if row.field.startswith("layout.")]
    tokens = next((row for row in amounts if row.field == "tokens"), None)
    if tokens is None or others or layouts or tokens.baseline is None or tokens.candidate is None:
        return []
    why = "; ".join(f"{row.field} {row.baseline} → {row.candidate}" for row in amounts if row is not tokens)
    change = tokens.candidate / tokens.baseline - 1 if tokens.baseline else None
    old, new = float(tokens.baseline), float(tokens.candidate)
    budget = "must not change"
    return [Row("tokens", "error", "changed", old, new, budget, why, "count", "exact", change=change)]


def _against_baseline(sides: Sides, context: Context, config: Config, name: str) -> tuple[list[Row], bool]:
    """Rows of all budgets, and whether the runs could be compared at all."""
    breaking = [row for row in context.differences if row.breaks]
    layouts = [row for row in context.differences if row.field.startswith("layout.")]
    exact = counts_make_sense(context.differences)
    other_machine = bool(breaking) and all(row.field in MACHINE for row in breaking)
    excused = other_machine and config.exact_only_on_other_machines and not layouts
    rows: list[Row] = []
    for metric in [*sides.metrics(), ORDER]:
        budget = budget_for(metric, name, config.budgets)
        if budget is None or budget.level == "off" or metric.startswith("theory."):
            continue
        is_exact = metric == ORDER or _head(metric) in (*EXACT, *WORK)
        row: Row | None
        if (is_exact and not exact) or (not is_exact and (breaking or layouts)):
            row = _not_comparable(metric, budget, [*breaking, *layouts])
        elif metric == ORDER:
            row = order_row(budget, sides, context)
        else:
            row = _judge_of(metric)(metric, budget, sides, context)
        if row is not None:
            rows.append(row)
    rows += _unmatched_budgets(sides, config, name)
    untold = [row for row in rows if _is_untold(row)]
    rows = [replace(row, status="not-comparable") if row in untold else row for row in rows]
    return rows, not untold and (excused or not (breaking or layouts))


def _is_untold(row: Row) -> bool:
    """A time that an error hangs on and no recording of a side tells: nothing is broken, nor is it green."""
    return row.status == "missing" and row.fails and row.unit == "ns"


def _judge_of(metric: str) -> Callable[[str, Budget, Sides, Context], Row | None]:
    head = _head(metric)
    if head in EXACT:
        return exact_row
    return work_row if head in WORK else straggler_row if head == STRAGGLER else timed_row


def _head(metric: str) -> str:
    return metric.split("/", maxsplit=1)[0]


def _differences(sides: Sides) -> tuple[Difference, ...]:
    if not sides.baseline:
        return ()
    return differences_between(sides.baseline[0].facts, sides.candidate[0].facts)


def _not_comparable(metric: str, budget: Budget, differences: Sequence[Difference]) -> Row:
    why = "; ".join(f"{row.field} {row.baseline} → {row.candidate}" for row in differences[:4])
    return Row(metric, budget.level, "not-comparable", None, None, budget.text, why=why)


def _missing_ranks(runs: Sequence[Snapshot], context: Context) -> list[Row]:
    """A rank without a trace is an error unless the baseline lacks it too."""
    known = set(context.sides.baseline[0].missing_ranks) if context.sides.baseline else set()
    rows = []
    for run in runs:
        gone = sorted(set(run.missing_ranks) - known)
        if gone:
            ranks = ", ".join(map(str, gone))
            why = f"{run.name} has no trace of rank {ranks}"
            found = len(run.ranks)
            row = Row("ranks", "error", "missing", found + len(gone), found, "every rank", why=why)
            rows.append(replace(row, unit="count"))
        if run.other.get("incomplete"):
            why = f"the recording {run.name} did not run to its end"
            rows.append(Row("ranks", "error", "missing", None, None, "a whole recording", why=why))
    return rows


def _unmatched_budgets(sides: Sides, config: Config, name: str) -> list[Row]:
    """A budget that covers no metric of either side: a typing mistake must not pass for green."""
    metrics = [*sides.metrics(), ORDER]
    mine = [b for b in config.budgets if not b.is_default and b.level != "off" and fnmatchcase(name, b.run)]
    lost = [budget for budget in mine if not any(covers(budget.pattern, metric) for metric in metrics)]
    return [
        Row(
            budget.pattern,
            "error",
            "missing",
            None,
            None,
            budget.text,
            why=_suggestion(budget.pattern, metrics),
        )
        for budget in lost
    ]


def _suggestion(pattern: str, metrics: Sequence[str]) -> str:
    close = difflib.get_close_matches(pattern, metrics, n=1, cutoff=0.5)
    return f"no metric of that name; did you mean {close[0]}?" if close else "no metric of that name"


def _no_baseline(name: str) -> str:
    return f"no baseline named {name}, and no expectation to hold it against: --update-baseline makes one"


def _command(sides: Sides, baseline: Baseline | None) -> str:
    candidate = sides.candidate[0].path
    trace = "" if baseline is None else baseline.trace
    if trace is None:
        trace = sides.baseline[0].path
    return f"commscope compare {trace} {candidate}" if trace else f"commscope analyze {candidate}"


def _severity(row: Row) -> tuple[object, ...]:
    """Worst first: errors before warnings, exact before timed, counts before bytes, large changes first."""
    level = 0 if row.fails else 1 if row.warns else 2 if row.status == "not-comparable" else 3
    exactness = {"exact": 0, "timed": 1}.get(row.kind, 0)
    is_work, moves = _head(row.metric) in WORK, row.metric.startswith("communication.")
    shape = (is_work, row.metric == ORDER, moves, row.metric.count("/"))
    size = -abs(row.change) if row.change is not None else 0.0
    rank = _SEVERITY.get(row.status, 9) if row.status in BROKEN else 9
    return (level, exactness, rank if level < 2 else 0, *shape, size, row.metric)
