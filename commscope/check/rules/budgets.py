"""Budgets: which metrics may move how far, and what it means when one moves further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from commscope.check.rules.limits import Limit, parse_limit
from commscope.compare.measures.other_load import MOST_SHARE

LEVELS = ("error", "warn", "off")
ROLE_DEPTH = 4  # metric/collective/phase/role: judged only where a budget names roles


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits for the metrics a pattern covers: itself, and what stands below it with `/`."""

    pattern: str
    level: str = "error"
    increase: Limit | None = None
    decrease: Limit | None = None
    beyond_noise: bool = True
    min_steps: int = 1
    min_runs: int = 3
    run: str = "*"  # glob over names of runs
    is_default: bool = False

    @property
    def text(self) -> str:
        """The limits in a few words."""
        up, down = self.increase, self.decrease
        if up is not None and up == down:
            return "no change" if up.is_zero else f"change <= {up.text}"
        parts = [f"{word} <= {limit.text}" for word, limit in (("increase", up), ("decrease", down)) if limit]
        return ", ".join(parts) or "none"


@dataclass(frozen=True, slots=True)
class Expectation:
    """A rule without a baseline: a metric against a number, a share of a metric, or the closed form."""

    metric: str
    relation: str  # == | <= | >= | < | >
    text: str  # as written
    value: float | None = None
    share_of: str | None = None  # `value` is a share of this metric
    is_theory: bool = False
    per_layer: bool = False
    unit: str = ""
    level: str = "error"
    run: str = "*"


@dataclass(frozen=True, slots=True)
class Config:
    """What [tool.commscope.check] says."""

    budgets: tuple[Budget, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    baseline: str | None = None
    exact_only_on_other_machines: bool = False
    most_other_load: float = MOST_SHARE  # share of the cores: beyond it wall times only warn
    where: str = "defaults"
    names: tuple[str, ...] = field(default=())  # patterns the user wrote: each must match something
    patterns: tuple[str, ...] = ()  # of runs with rules of their own: each must match a run


ZERO = Limit("0")


def default_budgets() -> tuple[Budget, ...]:
    """Counts, bytes and order exact; the step, and a rank that holds it up, beyond noise; waits never."""
    exact = (
        "collective.count",
        "communication.payload_bytes",
        "communication.wire_bytes",
        "collective.order",
        "compute.ops",
        "compute.flops",
    )
    return (
        *(Budget(name, increase=ZERO, decrease=ZERO, is_default=True) for name in exact),
        Budget("step.time", increase=Limit("3 %", ratio=0.03), is_default=True),
        Budget("straggler.time", increase=parse_limit("3 % of step", "defaults"), is_default=True),
        Budget("communication.overlapped", decrease=parse_limit("3 % of step", "defaults"), is_default=True),
        Budget(
            "memory.peak", increase=Limit("5 %", ratio=0.05), beyond_noise=False, min_runs=1, is_default=True
        ),
        *(
            Budget(name, "warn", increase=Limit("10 %", ratio=0.10), is_default=True)
            for name in ("communication.exposed", "stall.blocking", "transfer.time")
        ),
    )


def covers(pattern: str, metric: str) -> bool:
    """Whether a pattern's segments match the metric's first ones, and roles only where it names them."""
    wanted, found = pattern.split("/"), metric.split("/")
    if len(wanted) > len(found) or (len(found) >= ROLE_DEPTH and len(wanted) < ROLE_DEPTH):
        return False
    return all(fnmatchcase(name, glob) for glob, name in zip(wanted, found, strict=False))


def budget_for(metric: str, run: str, budgets: Sequence[Budget]) -> Budget | None:
    """The budget with most segments that covers a metric of a run; among equals the user's, then the last."""
    found = [
        (not budget.is_default, len(budget.pattern.split("/")), place, budget)
        for place, budget in enumerate(budgets)
        if covers(budget.pattern, metric) and fnmatchcase(run, budget.run)
    ]
    return max(found, key=lambda row: row[:3])[3] if found else None
