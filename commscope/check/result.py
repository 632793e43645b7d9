"""What check gives: Row, RunVerdict, Verdict. Frozen; reporters only render them."""

from __future__ import annotations

from dataclasses import dataclass

from commscope.compare.result import Difference
from commscope.errors import EXIT_BUDGET_BROKEN, EXIT_FINE, EXIT_PROBLEM

BROKEN = ("regressed", "changed", "missing", "broken")
HELD = ("ok", "improved", "within-noise")


@dataclass(frozen=True, slots=True)
class Row:
    """One budget or expectation on one metric of one run."""

    metric: str
    level: str  # error | warn | off
    status: str  # ok | improved | within-noise | regressed | changed | broken | missing | not-comparable
    baseline: float | None
    candidate: float | None
    budget: str
    why: str = ""
    unit: str = ""
    kind: str = ""  # exact | timed
    change: float | None = None
    allowed: float | None = None  # largest change that holds, in the metric's unit
    runs: str = ""  # "3 against 3": how many runs the numbers stand on
    command: str = ""  # shows more

    @property
    def fails(self) -> bool:
        """Whether it fails the gate."""
        return self.level == "error" and self.status in BROKEN

    @property
    def warns(self) -> bool:
        """Whether it is worth a warning."""
        return self.level == "warn" and self.status in BROKEN


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """One configuration: its recorded runs against its baseline. Rows: worst first."""

    run: str
    baseline: str | None
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    comparable: bool = True

    @property
    def status(self) -> str:
        """pass, fail, or error where the question could not be answered."""
        if any(row.fails for row in self.rows):
            return "fail"
        return "pass" if self.comparable and self.rows else "error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer over all runs."""

    runs: tuple[RunVerdict, ...]
    config: str = ""

    @property
    def status(self) -> str:
        """fail as soon as one run fails; error where one could not be checked, or nothing was; else pass."""
        found = {run.status for run in self.runs} or {"error"}
        return next(status for status in ("fail", "error", "pass") if status in found)

    @property
    def exit_code(self) -> int:
        """0, 1 or 2."""
        return {"pass": EXIT_FINE, "fail": EXIT_BUDGET_BROKEN, "error": EXIT_PROBLEM}[self.status]
