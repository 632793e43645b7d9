"""Exact metrics: counts, bytes and order of two sides under a budget -> Row.

Exact means exact: the value per step and rank, each rank's own value, each step's, and every
repeated run must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from commscope.check.result import Row
from commscope.check.rows.why import Context, why_moved
from commscope.check.rules.budgets import Budget
from commscope.check.rules.limits import check_unit
from commscope.check.samples.sides import Sides, measurements, middle, why_missing
from commscope.check.samples.snapshot import Order, Snapshot
from commscope.compare.measures.measurement import Measurement

ORDER = "collective.order"
MOST_SHOWN = 3


def exact_row(metric: str, budget: Budget, sides: Sides, context: Context) -> Row | None:
    """Judge one exact metric; None where neither side ever saw it."""
    before, after = measurements(sides.baseline, metric), measurements(sides.candidate, metric)
    unit = (before or after)[0].unit if before or after else ""
    old, new = _value(sides.baseline, metric), _value(sides.candidate, metric)
    row = Row(
        metric, budget.level, "ok", old, new, budget.text, unit=unit, kind="exact", command=context.command
    )
    if old is None and new is None:
        return None
    if old is None or new is None:
        why = why_missing(sides, metric, in_candidate=new is None)
        return replace(row, level="error", status="missing", why=why)
    change = new - old
    limit = budget.increase if change > 0 else budget.decrease
    if limit is not None:
        check_unit(limit, unit, f"metrics.{budget.pattern}")
    allowed = None if limit is None else limit.allows(old)
    row = replace(row, change=change / old if old else None, allowed=allowed)
    if change and (allowed is None or abs(change) <= allowed):
        return replace(row, why=why_moved(metric, context))
    if change:
        status = "regressed" if change > 0 else "changed"
        return replace(row, status=status, why=why_moved(metric, context))
    return _same_value(row, before, after, budget)


def _same_value(row: Row, before: list[Measurement], after: list[Measurement], budget: Budget) -> Row:
    """Means may agree where ranks or steps do not."""
    tight = budget.increase is not None and budget.increase.is_zero
    if not tight or not before or not after:
        return row
    odd = _odd_ranks(before[0], after) or _odd_steps(before, after)
    return replace(row, status="changed", why=odd) if odd else row


def _odd_ranks(before: Measurement, after: list[Measurement]) -> str:
    for one in after:
        odd = [
            f"rank {rank}: {before.by_rank[rank]:g} → {value:g}"
            for rank, value in sorted(one.by_rank.items())
            if rank in before.by_rank and before.by_rank[rank] != value
        ]
        if odd:
            return f"the same on average, but {', '.join(odd[:MOST_SHOWN])}"
    return ""


def _odd_steps(before: list[Measurement], after: list[Measurement]) -> str:
    usual = {value for one in before for value in one.by_step}
    if not usual:
        return ""
    for one in after:
        odd = [
            (step, value) for step, value in enumerate(one.by_step) if not min(usual) <= value <= max(usual)
        ]
        if odd:
            step, value = odd[0]
            return f"{len(odd)} of {len(one.by_step)} steps differ: {value:g} in the step at place {step}"
    return ""


def _value(runs: Sequence[Snapshot], metric: str) -> float | None:
    """One number for all runs of a side; a metric never seen is zero where its total was."""
    if any(metric in run.measured and run.measured[metric].value is None for run in runs):
        return None
    if (found := middle(runs, metric)) is not None:
        return found
    total = metric.split("/", maxsplit=1)[0]
    return 0 if total != metric and middle(runs, total) is not None else None


def order_row(budget: Budget, sides: Sides, context: Context) -> Row | None:
    """Judge the order of collectives in every group of ranks."""
    if not sides.baseline or not sides.candidate:
        return None
    before = sides.baseline[0].order
    old, new = (sum(map(len, side[0].order.groups.values())) for side in (sides.baseline, sides.candidate))
    row = Row(ORDER, budget.level, "ok", old, new, budget.text, unit="count", kind="exact")
    row = replace(row, command=context.command)
    for run in sides.candidate:
        if odd := _first_difference(before, run.order):
            return replace(row, status="changed", why=odd)
        if before.is_stable and not run.order.is_stable:
            return replace(row, status="changed", why=f"in {run.name} ranks or steps differ in their order")
    return row


def _first_difference(before: Order, after: Order) -> str:
    for members in sorted({*before.groups, *after.groups}):
        if members not in before.groups or members not in after.groups:
            where = "new" if members in after.groups else "gone"
            return f"the group of ranks {members} is {where}"
        old = [before.tokens[index] for index in before.groups[members]]
        new = [after.tokens[index] for index in after.groups[members]]
        place = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), None)
        if place is not None:
            return f"group {members}, collective {place + 1} of the step: {old[place]} → {new[place]}"
        if len(old) != len(new):
            shorter = min(len(old), len(new))
            return f"group {members}: {len(old)} collectives → {len(new)}, the first {shorter} the same"
    return ""
