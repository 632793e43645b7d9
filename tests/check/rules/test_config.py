"""Budgets as people write them, and what they are told when they write them wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commscope.check import load_config, parse_config
from commscope.check.rules.budgets import budget_for, covers
from commscope.errors import BudgetProblem

EXAMPLE = """
[tool.commscope.check]
baseline = "traces"
[tool.commscope.check.metrics]
"collective.count" = { level = "error", change = "0" }
"step.time" = { level = "error", increase = "5%", beyond_noise = true, min_steps = 10, min_runs = 4 }
"communication.exposed" = { level = "warn", increase = "0.2 ms" }
"memory.peak" = "off"
[tool.commscope.check.expect]
"communication.wire_bytes" = "theory"
"collective.count/all_reduce/forward per layer" = 2
"communication.exposed" = "<= 15% of step"
"memory.peak" = { rule = "<= 40 GiB", level = "warn" }
[tool.commscope.check.runs."sp*".metrics]
"step.time" = { increase = "9%" }
"""


def test_a_whole_file_is_understood(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(EXAMPLE)
    (tmp_path / "deep").mkdir()
    config = load_config(start=tmp_path / "deep")
    assert config.baseline == "traces"
    step = budget_for("step.time", "tp2", config.budgets)
    assert step is not None
    assert step.increase is not None
    assert (step.level, step.increase.ratio, step.min_steps, step.min_runs) == ("error", 0.05, 10, 4)
    for_sp = budget_for("step.time", "sp2", config.budgets)
    assert for_sp is not None
    assert for_sp.increase is not None
    assert for_sp.increase.ratio == pytest.approx(0.09)
    exposed = budget_for("communication.exposed", "tp2", config.budgets)
    assert exposed is not None
    assert exposed.increase is not None
    assert (exposed.increase.amount, exposed.increase.unit) == (200_000, "ns")
    rules = {(rule.metric, rule.relation, rule.per_layer, rule.level) for rule in config.expectations}
    assert rules == {
        ("communication.wire_bytes", "==", False, "error"),
        ("collective.count/all_reduce/forward", "==", True, "error"),
        ("communication.exposed", "<=", False, "error"),
        ("memory.peak", "<=", False, "warn"),
    }


def test_a_file_of_our_own_needs_no_prefix(tmp_path: Path) -> None:
    file = tmp_path / "commscope.toml"
    file.write_text('[metrics]\n"step.time" = { increase = "7 %" }\n')
    budget = budget_for("step.time", "x", load_config(file).budgets)
    assert budget is not None
    assert budget.text == "increase <= 7 %"


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    config = load_config(start=tmp_path)
    counted = budget_for("collective.count/all_gather/backward", "any", config.budgets)
    assert counted is not None
    assert (counted.level, counted.text) == ("error", "no change")
    assert budget_for("communication.exposed_wait", "any", config.budgets) is None


@pytest.mark.parametrize(
    ("pattern", "metric", "is_covered"),
    [
        ("collective.count", "collective.count", True),
        ("collective.count", "collective.count/all_reduce/forward", True),
        ("collective.count", "collective.count/all_reduce/forward/tp", False),
        ("collective.count/*/*/tp", "collective.count/all_reduce/forward/tp", True),
        ("collective.count/*/backward", "collective.count/all_gather/backward", True),
        ("collective.count/*/backward", "collective.count/all_gather/forward", False),
        ("collective.count/all_*", "collective.count/all_gather/forward", True),
        ("communication.*", "communication.exposed", True),
        ("communication.exposed", "communication.exposed_wait", False),
    ],
)
def test_patterns_cover_what_stands_below_them_but_roles_only_by_name(
    pattern: str, metric: str, is_covered: bool
) -> None:
    assert covers(pattern, metric) is is_covered


def test_the_longer_pattern_wins_and_among_equals_the_last() -> None:
    config = parse_config(
        {
            "metrics": {
                "collective.count/*/optimizer": "off",
                "collective.count": {"level": "warn", "change": "2"},
                "collective.*": {"change": "1"},
            }
        },
        "test",
    )
    assert budget_for("collective.count/all_reduce/optimizer", "r", config.budgets).level == "off"  # type: ignore[union-attr]
    assert budget_for("collective.count/all_reduce/forward", "r", config.budgets).text == "change <= 1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"metrix": {}}, "did you mean metrics"),
        ({"metrics": {"step.time": {"increas": "5 %"}}}, "did you mean increase"),
        ({"metrics": {"step.time": {"level": "fatal", "change": "0"}}}, "one of error, warn, off"),
        ({"metrics": {"step.time": {"level": "error"}}}, "a budget without a limit"),
        ({"metrics": {"step.time": {"change": "0", "increase": "3 %"}}}, "change means both ways"),
        ({"metrics": {"step.time": {"increase": "five"}}}, "cannot read the limit 'five'"),
        ({"metrics": {"step.time": {"increase": "-3 %"}}}, "cannot read the limit '-3 %'"),
        ({"metrics": {"step.time": {"increase": "3 %", "min_runs": "three"}}}, "expected a int"),
        ({"metrics": ["step.time"]}, "expected a table"),
        ({"expect": {"step.time": "theory"}}, "has no closed form"),
        ({"expect": {"step.time per layer": 2}}, "not told per layer"),
        ({"expect": {"step.time": "<= 5 %"}}, "a share of what"),
        ({"runs": {"tp": {"baseline": "x"}}}, "unknown key 'baseline'"),
        ({"other_machine": "ignore"}, "exact-only"),
        ({"defaults": "no"}, "expected a bool"),
    ],
)
def test_mistakes_are_named_with_a_hint(section: dict[str, Any], message: str) -> None:
    with pytest.raises(BudgetProblem) as caught:
        parse_config(section, "commscope.toml")
    assert message in str(caught.value)
    assert "commscope.toml" in str(caught.value)


@pytest.mark.parametrize("content", [b"[metrics\n", b"\xff\xfe\x00"])
def test_a_broken_file_is_a_budget_problem(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "commscope.toml"
    file.write_bytes(content)
    with pytest.raises(BudgetProblem, match="not TOML"):
        load_config(file)
    with pytest.raises(BudgetProblem, match="cannot read the budgets"):
        load_config(tmp_path / "absent.toml")
