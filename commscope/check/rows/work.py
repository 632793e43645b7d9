"""Operators or floating point operations of two sides under a budget -> Row: exact where a program repeats
itself, else a warning."""

from __future__ import annotations

from dataclasses import replace

from commscope.check.result import HELD, Row
from commscope.check.rows.exact import exact_row
from commscope.check.rows.why import Context, layout_words
from commscope.check.rules.budgets import Budget
from commscope.check.rules.limits import format_amount
from commscope.check.samples.sides import Sides, measurements, middle
from commscope.compare.measures.work import UNITS, WORK_WORDS
from commscope.schema import Phase


def work_row(metric: str, budget: Budget, sides: Sides, context: Context) -> Row | None:
    """Judge the work of a step; None where a side never recorded it, as a baseline of an older version."""
    runs, total = (*sides.baseline, *sides.candidate), metric.split("/", maxsplit=1)[0]
    if any(middle(side, total) is None for side in (sides.baseline, sides.candidate)):
        return None
    row = exact_row(metric, budget, sides, context)
    if row is None or row.status in HELD:
        return row
    row = replace(row, why="; ".join([_why(total, sides), *layout_words(context.differences)]))
    is_steady = all(not one.spread for one in measurements(runs, metric))
    if is_steady or row.level != "error":
        return row
    return replace(row, level="warn", why=f"{row.why}; a warning only: steps of one run differ in it")


def _why(total: str, sides: Sides) -> str:
    """`operators a step: recompute 0 -> 80`: the phases that moved, the largest change first."""
    pairs = {
        phase: tuple(middle(side, f"{total}/{phase}") or 0 for side in (sides.baseline, sides.candidate))
        for phase in Phase
    }
    moved = [phase for phase, (before, after) in pairs.items() if before != after]
    moved.sort(key=lambda phase: -abs(pairs[phase][1] - pairs[phase][0]))
    told = [
        f"{phase} {' → '.join(format_amount(value, UNITS[total]) for value in pairs[phase])}"
        for phase in moved
    ]
    return f"{WORK_WORDS[total]} a step: {', '.join(told) or 'other ranks or steps'}"
