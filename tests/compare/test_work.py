"""Operators of a step: counted from traces written on paper, and judged as exact."""

from __future__ import annotations

from dataclasses import replace

from commscope.check import Baseline, Row, check, snapshot
from commscope.compare import compare, measure
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.schema import Phase
from tests.analyses import make_analysis
from tests.conftest import CHECKOUT

TRACES = CHECKOUT / "traces"
PLAIN = {Phase.FORWARD: 10, Phase.BACKWARD: 20, Phase.OPTIMIZER: 5}


def rows_of(before: dict[Phase, int] | None, after: dict[Phase, int] | None) -> list[Row]:
    baseline = Baseline("tp2", (snapshot(make_analysis(operators=before)),))
    return list(check([make_analysis(operators=after)], {"tp2": baseline}).runs[0].rows)


def test_operators_by_phase_sum_to_those_of_the_step() -> None:
    measured = measure(analyze(open_run(TRACES / "gpt-tp2"), jobs=1))
    phases = [one.value or 0 for name, one in measured.items() if name.startswith("compute.ops/")]
    assert sum(phases) == measured["compute.ops"].value
    assert set(measured["compute.ops"].by_step) == {measured["compute.ops"].value}


def test_recompute_switched_on_is_caught_where_no_collective_moved() -> None:
    before, after = (
        analyze(open_run(TRACES / name), jobs=1) for name in ("gpt-tp2", "gpt-tp2-recompute-selective")
    )
    verdict = check([after], {"none": Baseline("none", (snapshot(before),))})
    assert verdict.exit_code == 1
    first = verdict.runs[0].rows[0]
    assert first.metric == "compute.ops"
    assert first.why.startswith("operators a step: recompute 0 → 22")


def test_a_phase_that_appears_is_told_first_and_fails_with_one_recording() -> None:
    first = rows_of(PLAIN, {**PLAIN, Phase.RECOMPUTE: 8, Phase.BACKWARD: 21})[0]
    assert (first.metric, first.status, first.fails) == ("compute.ops", "regressed", True)
    assert first.why == "operators a step: recompute 0 → 8, backward 20 → 21"


def test_a_baseline_without_operators_asks_for_none() -> None:
    assert not [row for row in rows_of(None, PLAIN) if row.metric.startswith("compute.ops")]


def test_steps_that_differ_in_their_operators_only_warn() -> None:
    made = make_analysis()
    odd = tuple(
        replace(row, operators_by_phase={**PLAIN, Phase.FORWARD: 11}) if row.window == "step 2" else row
        for row in make_analysis(operators={**PLAIN, Phase.FORWARD: 12}).breakdown
    )
    verdict = check([replace(made, breakdown=odd)], {"tp2": Baseline("tp2", (snapshot(made),))})
    row = next(row for row in verdict.runs[0].rows if row.metric == "compute.ops")
    assert row.warns
    assert "steps of one run differ in it" in row.why


def test_a_trace_without_operators_of_the_host_says_so() -> None:
    metric = compare(make_analysis(operators=None), make_analysis()).metric("compute.ops")
    assert metric is not None
    assert (metric.status, metric.baseline) == ("missing", None)
    assert "no operators of the host" in metric.why


def test_the_first_line_tells_of_operators_where_nothing_else_is_exact() -> None:
    more = make_analysis(name="b", operators={**PLAIN, Phase.RECOMPUTE: 7})
    assert (
        compare(make_analysis(), more).headline
        == "tp2 → b: 20.0 % more operators; no difference in step time is shown."
    )


def test_a_step_that_no_rank_divides_is_none_of_the_steps() -> None:
    """A rank whose device was not recorded has steps and no breakdown: the mean over no rank was asked for."""
    made = make_analysis(operators=PLAIN)
    short = replace(made, breakdown=tuple(row for row in made.breakdown if row.window != "step 1"))
    whole, left = (measure(one)["compute.ops"] for one in (made, short))
    assert (left.value, left.steps) == (whole.value, whole.steps - 1)
