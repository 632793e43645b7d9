"""Does one rank hold the others up more than before? Two sides of runs under a budget -> Row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from commscope.check.result import Row
from commscope.check.rows.lag import lags
from commscope.check.rows.timed import cautions_of
from commscope.check.rows.why import Context
from commscope.check.rows.why_slower import why_straggler
from commscope.check.rules.budgets import Budget
from commscope.check.rules.limits import Limit, check_unit
from commscope.check.samples.sides import Sides, measurements, middle, why_missing
from commscope.check.samples.snapshot import Snapshot
from commscope.compare.decision import Rule
from commscope.compare.measures.measurement import PROFILED
from commscope.errors import BudgetProblem


def straggler_row(metric: str, budget: Budget, sides: Sides, context: Context) -> Row | None:
    """Judge every rank and name the one that fell behind most; None where neither side has two ranks.

    `change` is a share of the step, for a lag may be 0.
    """
    before, after = measurements(sides.baseline, metric), measurements(sides.candidate, metric)
    if not before and not after:
        return None
    row = Row(metric, budget.level, "ok", None, None, budget.text, unit="ns", kind="timed")
    runs = f"{len(sides.baseline)} against {len(sides.candidate)} runs"
    row = replace(row, runs=runs, command=context.command)
    if not before or not after:
        why = why_missing(sides, metric, in_candidate=not after)
        return replace(row, status="missing", why=why)
    limit, step_ns = _limit(budget), middle(sides.baseline, PROFILED)
    if limit is None or not step_ns:
        return row
    rule = Rule(limit.allows(0.0, step_ns), budget.beyond_noise, budget.min_runs, scale=step_ns)
    found = lags(metric, _having(sides.baseline, metric), _having(sides.candidate, metric), rule)
    if not found:
        return row
    most = max(found, key=lambda lag: lag.order)
    change, allowed = most.growth / step_ns, most.decision.allowed
    row = replace(row, baseline=most.before, candidate=most.after, change=change, allowed=allowed)
    if most.decision.direction <= 0:
        return replace(row, status="within-noise" if most.growth > 0 else "ok")
    cautions = cautions_of(most.decision, budget, min(one.steps for one in (*before, *after)))
    level = "warn" if cautions and row.level == "error" else row.level
    why = "; ".join([why_straggler(most.rank, metric, context), *cautions])
    return replace(row, status="regressed", level=level, why=why)


def _having(runs: Sequence[Snapshot], metric: str) -> list[Snapshot]:
    return [run for run in runs if metric in run.measured and run.measured[metric].by_rank]


def _limit(budget: Budget) -> Limit | None:
    limit = budget.increase
    if limit is None:
        return None
    where = f"metrics.{budget.pattern}"
    if limit.ratio and not limit.of_step:
        what = f"the limit {limit.text!r} is a share of a difference that may be 0"
        hint = f'write "{limit.text} of step", or a time such as 2 ms'
        raise BudgetProblem(what, where=where, hint=hint)
    check_unit(limit, "ns", where)
    return limit
