"""Other programs on the machine: wall times of such runs warn, everything else is judged as before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commscope.analysis.result import Analysis
from commscope.check import (
    Baseline,
    Row,
    Verdict,
    check,
    parse_config,
    read_baseline,
    snapshot,
    write_baseline,
)
from commscope.check.samples.worth import doubts, unfit
from commscope.compare import compare
from commscope.compare.measures.other_load import OtherLoad, other_load_of, typical_load
from commscope.errors import BudgetProblem
from commscope.report.comparison_sections import comparison_sections
from commscope.report.contract import comparison_document
from commscope.report.html import comparison_html
from commscope.report.render import text
from commscope.trace import Gap
from tests.analyses import make_analysis

BUSY = {"other_load_cores": 1.4, "other_load_of_cores": 2}
QUIET = {"other_load_cores": 0.05, "other_load_of_cores": 2}


def runs(host: dict[str, Any], **changes: Any) -> list[Analysis]:
    return [make_analysis(host=host, **changes)] * 3


def against(candidates: list[Analysis], baseline: list[Analysis], **config: Any) -> Verdict:
    rules = parse_config(config, "test") if config else None
    return check(candidates, {"tp2": Baseline("tp2", tuple(map(snapshot, baseline)))}, rules)


def row(verdict: Verdict, metric: str) -> Row:
    return next(row for run in verdict.runs for row in run.rows if row.metric == metric)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (QUIET, BUSY, "a warning only: other programs kept 1.4 of 2 cores busy"),
        (
            BUSY,
            QUIET,
            "a warning only: other programs kept 1.4 of 2 cores busy while the baseline was recorded",
        ),
    ],
)
def test_a_slower_step_is_a_warning_where_other_programs_kept_the_machine_busy(
    before: dict[str, Any], after: dict[str, Any], why: str
) -> None:
    verdict = against(runs(after, pace=(1.3,)), runs(before))
    assert verdict.exit_code == 0
    found = row(verdict, "step.time")
    assert (found.level, found.status) == ("warn", "regressed")
    assert found.why.endswith(why)


@pytest.mark.parametrize("host", [QUIET, {}])
def test_on_a_quiet_machine_and_where_nothing_is_known_it_stays_an_error(host: dict[str, Any]) -> None:
    verdict = against(runs(host, pace=(1.3,)), runs(host))
    assert row(verdict, "step.time").fails


def test_one_busy_run_of_three_excuses_nothing() -> None:
    slower = [make_analysis(host=host, pace=(1.3,)) for host in (QUIET, BUSY, QUIET)]
    assert row(against(slower, runs(QUIET)), "step.time").fails


def test_counts_memory_and_a_rank_that_holds_the_others_up_still_fail() -> None:
    verdict = against(
        runs(BUSY, late_ns={1: 20_000}, peak_bytes=90_000_000),
        runs(BUSY),
        metrics={"memory.peak": {"increase": "5 %"}},
    )
    assert row(verdict, "straggler.time").fails
    assert row(verdict, "memory.peak").fails
    assert not row(verdict, "step.time").fails


def test_the_share_is_configurable() -> None:
    slower, before = runs(BUSY, pace=(1.3,)), runs(QUIET)
    assert against(slower, before, other_load="80 %").exit_code == 1
    assert against(slower, before, other_load="60 %").exit_code == 0
    with pytest.raises(BudgetProblem, match="other_load"):
        against(slower, before, other_load="2 ms")


def test_a_baseline_keeps_the_load_and_an_older_one_tells_none(tmp_path: Path) -> None:
    file = write_baseline([snapshot(make_analysis(host=host)) for host in (BUSY, {})], tmp_path / "tp2")
    assert [run.other_load for run in read_baseline(file).runs] == [OtherLoad(1.4, 2), None]
    file.write_text(file.read_text().replace('"other_load"', '"other_thing"'))
    assert [run.other_load for run in read_baseline(file).runs] == [None, None]


@pytest.mark.parametrize("busy", [None, "much", -1.0, True, float("nan"), float("inf")])
def test_what_is_no_number_of_cores_is_not_known(busy: object) -> None:
    run = make_analysis(host={"other_load_cores": busy, "other_load_of_cores": 2}).run
    assert other_load_of(run) is None


def test_the_typical_load_is_the_median_run_s() -> None:
    loads = [OtherLoad(1.0, 2), None, OtherLoad(0.1, 2), OtherLoad(0.2, 2)]
    assert typical_load(loads) == OtherLoad(0.2, 2)
    assert typical_load([None]) is None


def test_compare_tells_it_where_it_matters() -> None:
    said = "Other programs kept busy 1.4 of 2 cores in sp and 0.05 of 2 cores in tp2: no difference between times is shown."
    busy = compare(make_analysis(host=QUIET), make_analysis(name="sp", host=BUSY))
    assert said in text(comparison_sections(busy))
    assert said in comparison_html(busy)
    assert comparison_document(busy)["other_load"] == {
        "baseline": {"busy_cores": 0.05, "cores": 2.0},
        "candidate": {"busy_cores": 1.4, "cores": 2.0},
    }
    quiet = compare(make_analysis(host=QUIET), make_analysis(name="sp"))
    assert "other programs" not in text(comparison_sections(quiet)).lower()
    assert comparison_document(quiet)["other_load"]["candidate"] is None


def test_a_baseline_is_examined_when_it_is_taken() -> None:
    whole = make_analysis()
    assert (unfit(whole), doubts(whole)) == ("", ())
    assert unfit(make_analysis(missing_ranks=(1,))) == "it has no trace of rank 1"
    assert (
        unfit(make_analysis(gaps=(Gap("truncated", "the file breaks off", (0,)),))) == "the file breaks off"
    )
    busy = replace(whole, run=replace(whole.run, host={"other_load_cores": 1.4, "other_load_of_cores": 2}))
    loose = replace(busy, matching=replace(whole.matching, matched=1, unmatched=2, instances=3))
    assert doubts(loose) == (
        "other programs kept 1.4 of 2 cores busy: times against it only warn",
        "2 of 3 collectives are not matched: waits are not told",
    )
