"""A rank that holds the others up is named; noise of the machine, and others that became faster, are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import pytest

from commscope.analysis.result import Analysis
from commscope.check import Baseline, Row, Verdict, check, check_snapshots, parse_config, snapshot
from commscope.check.rows.lag import lags
from commscope.check.rules.budgets import default_budgets
from commscope.check.samples.own_time import STRAGGLER, lags_of
from commscope.compare.decision import Rule
from commscope.compare.measures.measurement import Measurement
from commscope.errors import BudgetProblem
from tests.analyses import make_analysis

BASE = make_analysis()
LATE = make_analysis(late_ns={1: 20_000})
MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Made:
    """A run of two ranks, made of its parts alone."""

    measured: Mapping[str, Measurement]
    rank_parts_ns: Mapping[int, Mapping[str, float]]


def made(compute: tuple[float, float], idle: tuple[float, float] = (5, 5)) -> Made:
    """Milliseconds of rank 0 and rank 1 in each of three equal steps of 100 ms."""
    pairs = {"compute": compute, "copy": (0.0, 0.0), "idle": idle}
    parts = {part: {rank: [ms * MS] * 3 for rank, ms in enumerate(pair)} for part, pair in pairs.items()}
    medians = {rank: {part: median(parts[part][rank]) for part in parts} for rank in (0, 1)}
    return Made(lags_of(parts, 100.0 * MS, ""), medians)


def blamed(metric: str, before: Sequence[Made], after: Sequence[Made]) -> dict[int, bool]:
    """The ranks that fell behind, and whether that is sure."""
    found = lags(metric, before, after, Rule(3.0 * MS, scale=100.0 * MS))
    return {lag.rank: lag.decision.is_sure for lag in found if lag.decision.direction > 0}


def against(candidates: list[Analysis], baseline: list[Analysis], **metrics: Any) -> Verdict:
    rules = parse_config({"metrics": metrics}, "test") if metrics else None
    return check(candidates, {"tp2": Baseline("tp2", tuple(map(snapshot, baseline)))}, rules)


def row(verdict: Verdict, metric: str) -> Row:
    return next(row for run in verdict.runs for row in run.rows if row.metric == metric)


def test_the_lag_of_a_late_rank_is_what_it_computes_more_than_the_other() -> None:
    measured = snapshot(LATE).measured
    assert measured[STRAGGLER].by_rank == {0: -260_000, 1: 260_000}  # 20 us before each of 13 collectives
    assert measured[f"{STRAGGLER}/compute"].by_rank == {0: -260_000, 1: 260_000}
    assert measured[f"{STRAGGLER}/idle"].value == 0
    assert measured[STRAGGLER].value == 260_000


def test_each_of_several_ranks_is_held_against_the_median_of_the_others() -> None:
    measured = snapshot(make_analysis(ranks=4, late_ns={3: 1_000, 1: 500})).measured
    assert measured[STRAGGLER].by_rank == {0: -6_500, 1: 6_500, 2: -6_500, 3: 13_000}


def test_a_rank_that_became_late_fails_and_is_named() -> None:
    found = row(against([LATE] * 3, [BASE] * 3), STRAGGLER)
    assert (found.level, found.status) == ("error", "regressed")
    assert found.why.startswith("rank 1 holds the others up: its compute grew, 1.00 ms → 1.26 ms a step")
    assert "the others wait 0 ns → 260 us a step for it" in found.why


def test_a_rank_that_always_was_late_does_not_fail() -> None:
    assert row(against([LATE] * 3, [LATE] * 3), STRAGGLER).status == "ok"


def test_a_machine_that_is_slower_for_everybody_blames_no_rank() -> None:
    assert row(against([make_analysis(pace=(1.2,))] * 3, [BASE] * 3), STRAGGLER).status == "ok"


def test_a_rank_is_not_late_because_the_other_became_faster() -> None:
    both_late = make_analysis(late_ns={0: 20_000, 1: 20_000})
    verdict = against([LATE] * 3, [both_late] * 3)
    assert verdict.exit_code == 0
    assert row(verdict, STRAGGLER).status == "within-noise"


def test_with_few_runs_it_is_a_warning_and_says_why() -> None:
    found = row(against([LATE], [BASE] * 3), STRAGGLER)
    assert (found.level, found.status) == ("warn", "regressed")
    assert "a warning only: 3 against 1 runs, an error needs 3 a side" in found.why


def test_idle_time_of_one_rank_is_seen_through_noise_of_compute() -> None:
    before = [made((60, 60)), made((100, 90)), made((70, 85))]
    after = [made((61, 62), (5, 25)), made((90, 110), (6, 26)), made((80, 70), (5, 25))]
    assert blamed(f"{STRAGGLER}/idle", before, after) == {1: True}
    assert blamed(STRAGGLER, before, after) == {}
    assert blamed(f"{STRAGGLER}/compute", before, after) == {}


def test_idle_time_that_compute_gave_back_is_no_delay() -> None:
    before = [made((60, 60)), made((60, 61)), made((61, 60))]
    after = [made((60, 40), (5, 25)), made((60, 41), (5, 25)), made((61, 40), (5, 25))]
    assert blamed(f"{STRAGGLER}/idle", before, after) == {}
    less = [made((60, 52), (5, 25)), made((60, 53), (5, 25)), made((61, 52), (5, 25))]
    assert blamed(f"{STRAGGLER}/idle", before, less) == {1: True}


def test_a_single_rank_waits_for_nobody() -> None:
    assert STRAGGLER not in snapshot(make_analysis(ranks=1, calls=())).measured


def test_a_baseline_of_before_this_metric_says_what_to_do() -> None:
    known = snapshot(BASE)
    old = replace(known, measured={k: v for k, v in known.measured.items() if not k.startswith(STRAGGLER)})
    rules = replace(parse_config({}, "test"), budgets=default_budgets())
    found = row(check_snapshots([known], {"tp2": Baseline("tp2", (old,))}, rules), STRAGGLER)
    assert (found.level, found.status) == ("error", "not-comparable")  # exit 2: nothing is broken, nor green
    assert found.why == "the baseline tp2 has no straggler.time: --update-baseline takes it anew"


def test_a_share_of_a_lag_is_refused_with_what_to_write() -> None:
    with pytest.raises(BudgetProblem, match="5 % of step"):
        against([BASE], [BASE], **{STRAGGLER: {"increase": "5 %"}})


@pytest.mark.parametrize(("increase", "code"), [("25 % of step", 0), ("200 us", 1), ("300 us", 0)])
def test_the_budget_is_a_share_of_the_step_or_a_time(increase: str, code: int) -> None:
    others = dict.fromkeys(("step.time", "communication.*", "stall.blocking"), "off")
    assert against([LATE] * 3, [BASE] * 3, **{STRAGGLER: {"increase": increase}}, **others).exit_code == code
