"""Timed metrics: two sides of runs under a budget -> Row, a warning only where runs are too few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from commscope.check.result import Row
from commscope.check.rows.why import Context
from commscope.check.rows.why_slower import why_slower
from commscope.check.rules.budgets import Budget
from commscope.check.rules.limits import Limit, check_unit
from commscope.check.samples.sides import Sides, measurements, middle, sample_of, why_missing
from commscope.compare.decision import Decision, Rule, corroborated, decide
from commscope.compare.measures.measurement import PROFILED, UNPROFILED, Measurement
from commscope.compare.metrics import MORE_IS_BETTER

TRANSFER = "transfer.time/"
OVERLAPPED, EXPOSED_TIME = "communication.overlapped", "communication.exposed"
RESIDENT = "rss"  # a measure of memory that does not repeat
WITNESSES = (PROFILED, "compute.time", "communication.exposed", "copy.time", "idle.time")


def timed_row(metric: str, budget: Budget, sides: Sides, context: Context) -> Row | None:
    """Judge one timed metric; None where neither side has it."""
    recorded = sides.recorded_as(metric)
    before, after = measurements(sides.baseline, recorded), measurements(sides.candidate, recorded)
    if not before and not after:
        return None
    unit = (before or after)[0].unit
    row = Row(
        metric=metric,
        level=budget.level,
        status="ok",
        baseline=middle(sides.baseline, recorded),
        candidate=middle(sides.candidate, recorded),
        budget=budget.text,
        unit=unit,
        kind="timed",
        runs=f"{len(sides.baseline)} against {len(sides.candidate)} runs",
        command=context.command,
    )
    old, new = sample_of(sides.baseline, recorded), sample_of(sides.candidate, recorded)
    if old is None or new is None:
        if metric.startswith(TRANSFER) and not _is_issued(sides, metric):
            return None
        why = why_missing(sides, recorded, in_candidate=new is None)
        return replace(row, status="missing", why=why)
    row = replace(row, runs=f"{len(old.values)} against {len(new.values)} runs")
    if before[0].basis == RESIDENT and row.level == "error":
        row = replace(row, level="warn")
    if _measured_differently(before[0].basis, after[0].basis, metric):
        why = f"measured as {before[0].basis} and as {after[0].basis}"
        return replace(row, status="not-comparable", why=why)
    limit = (
        (budget.increase if new.middle > old.middle else budget.decrease)
        or budget.increase
        or budget.decrease
    )
    if limit is None:
        return row
    check_unit(limit, unit, f"metrics.{budget.pattern}")
    allowed = limit.allows(old.middle, middle(sides.baseline, PROFILED) or 0.0)
    rule = Rule(allowed, budget.beyond_noise, budget.min_runs)
    decision = decide(old, new, rule)
    if recorded == UNPROFILED and rule.beyond_noise:
        decision = corroborated(decision, _witnesses(sides, limit, rule))
    if metric == OVERLAPPED and rule.beyond_noise:
        doubt = "exposed communication did not surely grow"
        decision = corroborated(decision, _gained(sides, EXPOSED_TIME, rule), doubt)
    change = new.middle / old.middle - 1 if old.middle else None
    row = replace(row, change=change, allowed=decision.allowed)
    return _judged(
        row, decision, budget, fewest_steps=_fewest_steps((*before, *after), budget), context=context
    )


def _is_issued(sides: Sides, metric: str) -> bool:
    """Whether both sides issue collectives of this kind and size; where not, the exact rows tell it."""
    collective, payload = metric.removeprefix(TRANSFER).split("/")
    return all(
        any(row.collective == collective and str(row.payload_bytes) == payload for row in run.moved)
        for side in (sides.baseline, sides.candidate)
        for run in side
    )


def _witnesses(sides: Sides, limit: Limit, rule: Rule) -> list[Decision]:
    """Steps without the profiler against what the profiled steps of the same runs say, all and in parts."""
    step_ns = middle(sides.baseline, PROFILED) or 0.0
    rule = replace(rule, allowed=limit.allows(step_ns, step_ns))
    pairs = [(sample_of(sides.baseline, name), sample_of(sides.candidate, name)) for name in WITNESSES]
    return [decide(old, new, rule) for old, new in pairs if old is not None and new is not None]


def _gained(sides: Sides, metric: str, rule: Rule) -> list[Decision]:
    """A metric that gains what another loses: its sides swapped, so that both go the same way."""
    old, new = sample_of(sides.baseline, metric), sample_of(sides.candidate, metric)
    return [] if old is None or new is None else [decide(new, old, rule)]


def _judged(row: Row, decision: Decision, budget: Budget, *, fewest_steps: int, context: Context) -> Row:
    worse = -1 if row.metric in MORE_IS_BETTER else 1
    bounded = {1: budget.increase, -1: budget.decrease}.get(decision.direction)
    if decision.direction == 0:
        return replace(row, status="ok" if row.baseline == row.candidate else "within-noise")
    if bounded is None:
        return replace(row, status="improved" if decision.direction != worse else "ok")
    status = "regressed" if decision.direction == worse else "changed"
    cautions = cautions_of(decision, budget, fewest_steps)
    if context.load_doubt and row.unit == "ns" and budget.level == "error":
        cautions.append(f"a warning only: {context.load_doubt}")
    level = "warn" if cautions and row.level == "error" else row.level
    why = "; ".join(part for part in (why_slower(row.metric, context), *cautions) if part)
    return replace(row, level=level, status=status, why=why)


def cautions_of(decision: Decision, budget: Budget, fewest_steps: int) -> list[str]:
    """Why a broken budget of this level is a warning only, if it is."""
    if budget.level != "error":
        return []
    few = f"{fewest_steps} steps of the {budget.min_steps} asked for"
    doubts = [decision.doubt, few if fewest_steps < budget.min_steps else ""]
    return [f"a warning only: {doubt}" for doubt in doubts if doubt]


def _fewest_steps(found: Sequence[Measurement], budget: Budget) -> int:
    """Of those measured step by step; what is one number a run, as a peak of memory, asks for no steps."""
    return min((one.steps for one in found if one.steps), default=budget.min_steps)


def _measured_differently(before: str, after: str, metric: str) -> bool:
    return metric == "memory.peak" and before != after
