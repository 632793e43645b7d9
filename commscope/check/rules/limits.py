"""Limits of budgets as people write them: `0`, `5 %`, `3 % of step`, `0.2 ms`, `64 KiB`, `3` -> Limit."""

from __future__ import annotations

from dataclasses import dataclass

from commscope.errors import BudgetProblem, UsageProblem
from commscope.units import (
    format_bytes,
    format_count,
    format_flops,
    format_time,
    parse_bytes,
    parse_percent,
    parse_time_ns,
)

OF_STEP = "of step"


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a metric may move: by a share of itself or of the step, or by an amount in its own unit."""

    text: str
    ratio: float = 0.0
    amount: float = 0.0
    unit: str = ""  # ns | bytes | count; "" where a share of the metric or zero was meant
    of_step: bool = False

    def allows(self, baseline: float, step_ns: float = 0.0) -> float:
        """The largest change from this baseline, whose step takes that long."""
        if self.of_step:
            return self.ratio * step_ns
        return self.amount if self.unit else self.ratio * abs(baseline)

    @property
    def is_zero(self) -> bool:
        """Whether nothing may change."""
        return not self.ratio and not self.amount


def parse_limit(value: object, where: str) -> Limit:
    """A limit from a configuration file. Raises BudgetProblem with what would be understood."""
    text = str(value).strip()
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or text.startswith("-"):
        raise _problem(text, where)
    if text.endswith(OF_STEP):
        share = text.removesuffix(OF_STEP).strip()
        return Limit(text, ratio=_parsed(parse_percent, share, where), unit="ns", of_step=True)
    if text.endswith("%"):
        return Limit(text, ratio=_parsed(parse_percent, text, where))
    if _is_number(text):
        number = float(text)
        return Limit(text) if number == 0 else Limit(text, amount=number, unit="count")
    for parse, unit in ((parse_time_ns, "ns"), (parse_bytes, "bytes")):
        try:
            return Limit(text, amount=parse(text), unit=unit)
        except UsageProblem:
            continue
    raise _problem(text, where)


def check_unit(limit: Limit, unit: str, where: str) -> None:
    """An absolute limit must be in the metric's own unit."""
    if limit.unit and limit.unit != unit:
        raise BudgetProblem(
            f"the limit {limit.text!r} is in {limit.unit}, the metric in {unit}",
            where=where,
            hint="write a share such as 5 %, or an amount in the metric's own unit",
        )


def format_amount(value: float | None, unit: str) -> str:
    """A metric's value or change in words."""
    formats = {"ns": format_time, "bytes": format_bytes, "flop": format_flops}
    return formats.get(unit, format_count)(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parsed(parse: object, text: str, where: str) -> float:
    try:
        return float(parse(text))  # type: ignore[operator]
    except UsageProblem:
        raise _problem(text, where) from None


def _problem(text: str, where: str) -> BudgetProblem:
    return BudgetProblem(
        f"cannot read the limit {text!r}",
        where=where,
        hint="one of 0, 5 %, 3 % of step, 0.2 ms, 64 KiB or a plain number of collectives",
    )
