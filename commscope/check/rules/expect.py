"""Expectations as people write them: a metric and a rule -> Expectation.

"collective.count/all_reduce/forward per layer" = 2      a number: equal
"communication.wire_bytes" = "theory"                    the closed form of the run's layout
"communication.exposed" = "<= 15 % of step"              a share of step.time, or `of` any other metric
"memory.peak" = "<= 40 GiB"                              an amount
"""

from __future__ import annotations

import re
from typing import Any

from commscope.check.rules.budgets import LEVELS, Expectation
from commscope.check.rules.limits import parse_limit
from commscope.compare.measures.measurement import PROFILED
from commscope.errors import BudgetProblem

RELATIONS = ("<=", ">=", "==", "<", ">")
PER_LAYER = " per layer"
THEORY_FOR = {
    "collective.count": "theory.count",
    "communication.payload_bytes": "theory.payload_bytes",
    "communication.wire_bytes": "theory.wire_bytes",
}
_SHARE = re.compile(r"(?P<share>[\d.]+\s*%)\s+of\s+(?P<metric>\S+)\Z")
_SHORT = {"step": PROFILED, "step.time": PROFILED}  # shares are of the step they were measured in


def parse_expectation(metric: str, rule: Any, run: str, where: str) -> Expectation:
    """One line of [expect]; a table gives the rule and a level."""
    level = "error"
    if isinstance(rule, dict):
        if set(rule) - {"rule", "level"} or "rule" not in rule:
            raise BudgetProblem(
                "an expectation has a rule and a level", where=where, hint='{ rule = "<= 3", level = "warn" }'
            )
        rule, level = rule["rule"], rule.get("level", "error")
    if level not in LEVELS:
        raise BudgetProblem(f"level = {level!r}", where=where, hint=f"one of {', '.join(LEVELS)}")
    per_layer = metric.endswith(PER_LAYER)
    name = metric.removesuffix(PER_LAYER)
    if per_layer and not name.startswith(tuple(THEORY_FOR)):
        raise BudgetProblem(
            f"{name} is not told per layer", where=where, hint="counts and bytes of collectives are"
        )
    parts = _rule(rule, name, where)
    return Expectation(metric=name, text=str(rule), per_layer=per_layer, level=level, run=run, **parts)


def theory_metric(metric: str) -> str | None:
    """The closed form of a metric, where it has one."""
    head, slash, rest = metric.partition("/")
    return THEORY_FOR[head] + slash + rest if head in THEORY_FOR else None


def _rule(rule: Any, metric: str, where: str) -> dict[str, Any]:
    text = str(rule).strip()
    if text == "theory":
        if theory_metric(metric) is None:
            raise BudgetProblem(
                f"{metric} has no closed form", where=where, hint=f"{', '.join(THEORY_FOR)} have one"
            )
        return {"relation": "==", "is_theory": True}
    relation = next((sign for sign in RELATIONS if text.startswith(sign)), "==")
    amount = text.removeprefix(relation).strip()
    if share := _SHARE.match(amount):
        of = share["metric"]
        return {
            "relation": relation,
            "value": parse_limit(share["share"], where).ratio,
            "share_of": _SHORT.get(of, of),
        }
    if amount.endswith("%"):
        raise BudgetProblem(f"a share of what? {text!r}", where=where, hint="write 15 % of step")
    limit = parse_limit(rule if isinstance(rule, (int, float)) else amount, where)
    return {"relation": relation, "value": limit.amount, "unit": limit.unit}
