"""Configuration: commscope.toml or [tool.commscope.check] of pyproject.toml -> Config, or a
BudgetProblem that helps."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from commscope.check.rules.budgets import LEVELS, Budget, Config, Expectation, default_budgets
from commscope.check.rules.expect import parse_expectation
from commscope.check.rules.limits import parse_limit
from commscope.compare.measures.other_load import MOST_SHARE
from commscope.errors import BudgetProblem

OWN_FILE, PROJECT_FILE = "commscope.toml", "pyproject.toml"
KEYS = ("baseline", "metrics", "expect", "runs", "other_machine", "other_load", "defaults")
BUDGET_KEYS = ("level", "change", "increase", "decrease", "beyond_noise", "min_steps", "min_runs")
RUN_KEYS = ("metrics", "expect")


def load_config(path: Path | None = None, *, start: Path | None = None) -> Config:
    """The named file, else the nearest commscope.toml or pyproject.toml of ours, else the defaults."""
    if path is not None:
        return parse_config(_required(path), str(path))
    folder = (start or Path.cwd()).resolve()
    for parent in (folder, *folder.parents):
        for name in (OWN_FILE, PROJECT_FILE):
            file = parent / name
            if not file.is_file():
                continue
            if section := _required(file) if name == OWN_FILE else _section(file, _read(file)):
                return parse_config(section, str(file))
    return Config(budgets=default_budgets())


def parse_config(section: Mapping[str, Any], where: str) -> Config:
    """A parsed section; every key, level and limit is checked."""
    _known(section, KEYS, where)
    runs = _table(section, "runs", where)
    for pattern, rules in runs.items():
        _known(_is_table(rules, f"{where}: runs.{pattern}"), RUN_KEYS, f"{where}: runs.{pattern}")
    scopes = [("*", section, where), *((run, rules, f"{where}: runs.{run}") for run, rules in runs.items())]
    budgets = [budget for run, rules, place in scopes for budget in _budgets(rules, run, place)]
    expectations = [rule for run, rules, place in scopes for rule in _expectations(rules, run, place)]
    other = section.get("other_machine", "error")
    if other not in {"error", "exact-only"}:
        raise BudgetProblem(f"other_machine = {other!r}", where=where, hint='"error" or "exact-only"')
    keep_defaults = _typed(section, "defaults", bool, where, default=True)
    return Config(
        budgets=((*default_budgets(), *budgets) if keep_defaults else tuple(budgets)),
        expectations=tuple(expectations),
        baseline=_typed(section, "baseline", str, where, default=None),
        exact_only_on_other_machines=other == "exact-only",
        most_other_load=_most_other_load(section, where),
        where=where,
        names=tuple(budget.pattern for budget in budgets if budget.level != "off"),
        patterns=tuple(runs),
    )


def _most_other_load(section: Mapping[str, Any], where: str) -> float:
    """A share of the cores."""
    if "other_load" not in section:
        return MOST_SHARE
    limit = parse_limit(section["other_load"], f"{where}: other_load")
    if limit.unit or limit.of_step:
        hint = 'a share of the machine\'s cores: "10 %"'
        raise BudgetProblem(f"other_load = {limit.text!r}", where=where, hint=hint)
    return limit.ratio


def _budgets(section: Mapping[str, Any], run: str, where: str) -> Iterable[Budget]:
    for pattern, rule in _table(section, "metrics", where).items():
        yield _budget(
            pattern, {"level": rule} if isinstance(rule, str) else rule, run, f"{where}: metrics.{pattern}"
        )


def _budget(pattern: str, rule: Any, run: str, where: str) -> Budget:
    rule = _is_table(rule, where)
    _known(rule, BUDGET_KEYS, where)
    level = rule.get("level", "error")
    if level not in LEVELS:
        raise BudgetProblem(f"level = {level!r}", where=where, hint=f"one of {', '.join(LEVELS)}")
    if "change" in rule and ("increase" in rule or "decrease" in rule):
        raise BudgetProblem(
            "change and increase or decrease at once", where=where, hint="change means both ways"
        )
    if level != "off" and not {"change", "increase", "decrease"} & rule.keys():
        raise BudgetProblem(
            "a budget without a limit", where=where, hint='add change = "0" or increase = "5 %"'
        )
    limits = {key: parse_limit(rule[key], where) for key in ("change", "increase", "decrease") if key in rule}
    both = limits.get("change")
    return Budget(
        pattern=pattern,
        level=level,
        increase=limits.get("increase", both),
        decrease=limits.get("decrease", both),
        beyond_noise=_typed(rule, "beyond_noise", bool, where, default=True),
        min_steps=_typed(rule, "min_steps", int, where, default=1),
        min_runs=_typed(rule, "min_runs", int, where, default=3),
        run=run,
    )


def _expectations(section: Mapping[str, Any], run: str, where: str) -> Iterable[Expectation]:
    for metric, rule in _table(section, "expect", where).items():
        yield parse_expectation(metric, rule, run, f"{where}: expect.{metric}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BudgetProblem("cannot read the budgets", where=f"{path}: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        hint = 'quote metric names: "step.time" = { level = "error", increase = "5 %" }'
        raise BudgetProblem("the budgets are not TOML", where=f"{path}: {problem}", hint=hint) from None


def _required(path: Path) -> Mapping[str, Any]:
    """The part that is ours of a file that is there for nothing else."""
    section = _section(path, _read(path))
    if not section:
        hint = "[tool.commscope.check], or in a file of its own [check]; without --config the defaults hold"
        raise BudgetProblem("no budgets in this file", where=str(path), hint=hint)
    return section


def _section(path: Path, content: dict[str, Any]) -> Mapping[str, Any]:
    """The part of a file that is ours: in commscope.toml [check] or the whole file."""
    if path.name != PROJECT_FILE and "tool" not in content:
        if "check" in content:
            _known(content, ("check",), str(path))
        return _is_table(content.get("check", content), str(path))
    if path.name == OWN_FILE:
        _known(content, ("tool",), str(path))
    tool = _is_table(content.get("tool", {}), str(path))
    if "commscope" not in tool:
        _refuse_misspelled(tool, path)
    ours = _is_table(tool.get("commscope", {}), f"{path}: tool.commscope")
    _known(ours, ("check",), f"{path}: tool.commscope")
    return _is_table(ours.get("check", {}), f"{path}: tool.commscope.check")


def _refuse_misspelled(tool: Mapping[str, Any], path: Path) -> None:
    for name, table in tool.items():
        is_like = difflib.get_close_matches(name.lower(), ["commscope"], n=1, cutoff=0.7)
        if is_like and isinstance(table, Mapping) and "check" in table:
            raise BudgetProblem(
                f"unknown table [tool.{name}]", where=str(path), hint="did you mean commscope?"
            )


def _known(section: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    for key in section:
        if key not in keys:
            close = difflib.get_close_matches(key, keys, n=1)
            hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(keys)}"
            raise BudgetProblem(f"unknown key {key!r}", where=where, hint=hint)


def _table(section: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    return _is_table(section.get(key, {}), f"{where}: {key}")


def _is_table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BudgetProblem(f"expected a table, found {value!r}", where=where)
    return value


def _typed(section: Mapping[str, Any], key: str, kind: type, where: str, *, default: Any) -> Any:
    value = section.get(key, default)
    if value is not default and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise BudgetProblem(f"{key} = {value!r}", where=where, hint=f"expected a {kind.__name__}")
    return value
