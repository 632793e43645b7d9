"""The gate on made runs: each way to pass, to fail and to be unable to tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from commscope.analysis.result import Analysis
from commscope.check import (
    Baseline,
    Row,
    Verdict,
    check,
    group_runs,
    load_baselines,
    parse_config,
    read_baseline,
    snapshot,
    write_baseline,
)
from commscope.errors import BudgetProblem, UnreadableTrace, UsageProblem
from commscope.theory.volume import step_volume
from commscope.trace import Layout
from tests.analyses import TINY_GPT, Call, calls_of, make_analysis

BASE = make_analysis()
SP = Layout(tp=2, sp=True)


def against(candidates: list[Analysis], baseline: list[Analysis] | None = None, **config: Any) -> Verdict:
    runs = tuple(snapshot(run) for run in (baseline or [BASE] * 3))
    rules = parse_config(config, "test") if config else None
    return check(candidates, {"tp2": Baseline("tp2", runs)}, rules)


def first(verdict: Verdict) -> Row:
    return verdict.runs[0].rows[0]


def row(verdict: Verdict, metric: str) -> Row:
    return next(row for run in verdict.runs for row in run.rows if row.metric == metric)


def test_the_same_run_passes() -> None:
    verdict = against([BASE])
    assert (verdict.status, verdict.exit_code) == ("pass", 0)
    assert {row.status for row in verdict.runs[0].rows} == {"ok"}


def test_a_faster_run_is_improved_and_passes() -> None:
    verdict = against([make_analysis(pace=(0.8,))] * 3)
    assert verdict.exit_code == 0
    assert row(verdict, "step.time").status == "improved"


def test_a_change_within_the_noise_passes() -> None:
    verdict = against([make_analysis(pace=(1.02,))] * 3)
    assert verdict.exit_code == 0
    assert row(verdict, "step.time").status == "within-noise"


def test_a_slower_run_fails_with_three_runs_a_side() -> None:
    verdict = against([make_analysis(pace=(1.1,))] * 3)
    assert (verdict.status, verdict.exit_code) == ("fail", 1)
    assert (first(verdict).metric, first(verdict).status) == ("step.time", "regressed")
    assert "compute grew most, by 100 us a step" in first(verdict).why


def test_with_fewer_runs_a_slower_run_is_a_warning_only() -> None:
    verdict = against([make_analysis(pace=(1.2,))])
    assert verdict.exit_code == 0
    assert (row(verdict, "step.time").level, row(verdict, "step.time").status) == ("warn", "regressed")
    assert "a warning only: 3 against 1 runs, an error needs 3 a side" in row(verdict, "step.time").why


def test_a_noisy_baseline_widens_the_budget() -> None:
    noisy = [make_analysis(pace=(pace,)) for pace in (0.94, 1.0, 1.06)]
    assert against([make_analysis(pace=(1.1,))] * 3, noisy).exit_code == 0
    steady = [make_analysis(pace=(pace,)) for pace in (0.999, 1.0, 1.001)]
    assert against([make_analysis(pace=(1.1,))] * 3, steady).exit_code == 1


def test_runs_among_the_baselines_own_do_not_fail() -> None:
    baseline = [make_analysis(pace=(pace,)) for pace in (1.0, 1.0, 1.0, 1.0, 1.2)]
    candidates = [make_analysis(pace=(pace,)) for pace in (1.08, 1.08, 1.08)]
    assert row(against(candidates, baseline), "step.time").status == "within-noise"


def test_an_extra_collective_fails_and_is_named() -> None:
    calls = (
        *calls_of(step_volume(Layout(tp=2), TINY_GPT)),
        Call("all_gather", 4096, "backward", "tp", layer=1),
    )
    verdict = against([make_analysis(calls=calls)])
    assert verdict.exit_code == 1
    assert first(verdict).metric == "collective.count"
    assert (
        first(verdict).why == "all_gather in backward 0 → 1 a step (role tp, 4.00 KiB, layer 1, every rank)"
    )


def test_more_bytes_in_as_many_collectives_fail() -> None:
    calls = tuple(
        replace(call, payload_bytes=2 * call.payload_bytes) if call.role == "loss" else call
        for call in calls_of(step_volume(Layout(tp=2), TINY_GPT))
    )
    verdict = against([make_analysis(calls=calls)])
    assert verdict.exit_code == 1
    assert first(verdict).metric == "communication.payload_bytes"
    assert "all_reduce in forward 3 → 0 a step (role loss, group tp, 512 B, every rank)" in first(verdict).why


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (Layout(tp=2), Layout(tp=2, fused=False), "all_reduce in backward 5 → 9"),
        (Layout(tp=2), Layout(tp=2, recompute="full"), "all_reduce in recompute 0 → 4"),
        (replace(SP, sp_keep_gathered=True), SP, "all_gather in backward 4 → 9"),
        (Layout(tp=2), SP, "layout.sp False → True"),
    ],
)
def test_mutations_of_the_layout_are_caught_with_the_culprit_first(
    before: Layout, after: Layout, words: str
) -> None:
    baseline = [make_analysis(layout=before)]
    verdict = against([make_analysis(layout=after)], baseline)
    assert verdict.exit_code == 1
    assert first(verdict).level == "error"
    assert words in first(verdict).why


def test_a_late_rank_is_the_culprit_of_a_slower_step() -> None:
    verdict = against([make_analysis(late_ns={1: 20_000})] * 3)
    assert verdict.exit_code == 1
    assert first(verdict).metric == "step.time"
    assert first(verdict).why.startswith("rank 1 comes late, which spent 260 us more in compute")


def test_a_missing_rank_fails() -> None:
    verdict = against([make_analysis(missing_ranks=(1,))])
    assert verdict.exit_code == 1
    assert (first(verdict).metric, first(verdict).status) == ("ranks", "missing")
    assert "no trace of rank 1" in first(verdict).why


def test_a_missing_metric_is_an_error_whatever_its_level() -> None:
    verdict = against([make_analysis(peak_bytes=None)])
    assert verdict.exit_code == 1
    memory = row(verdict, "memory.peak")
    assert (memory.level, memory.status) == ("error", "missing")
    assert "memory was not captured" in memory.why


def test_a_metric_neither_run_has_is_not_judged_unless_the_user_asks() -> None:
    bare = make_analysis(peak_bytes=None)
    assert against([bare], [bare]).exit_code == 0
    asked = against([bare], [bare], metrics={"memory.peek": {"increase": "5 %"}})
    assert asked.exit_code == 1
    assert "did you mean memory.peak?" in first(asked).why


def test_the_same_model_fed_more_a_step_has_changed() -> None:
    verdict = against([make_analysis(model=replace(TINY_GPT, batch=4))])
    assert verdict.exit_code == 1
    assert (first(verdict).metric, first(verdict).status) == ("tokens", "changed")
    assert "model.batch" in first(verdict).why


@pytest.mark.parametrize("changes", [{"ranks": 4}, {"model": replace(TINY_GPT, layers=3)}])
def test_another_question_cannot_be_checked(changes: dict[str, Any]) -> None:
    verdict = against([make_analysis(**changes)])
    assert (verdict.status, verdict.exit_code) == ("error", 2)
    assert {row.status for row in verdict.runs[0].rows} == {"not-comparable"}
    assert first(verdict).why


def test_another_machine_checks_exact_metrics_only_and_is_not_green() -> None:
    other = make_analysis(versions={"torch": "2.4"})
    verdict = against([other])
    assert verdict.exit_code == 2
    assert row(verdict, "collective.count").status == "ok"
    assert row(verdict, "step.time").status == "not-comparable"
    allowed = against([other], other_machine="exact-only")
    assert allowed.exit_code == 0
    assert row(allowed, "step.time").status == "not-comparable"
    broken = make_analysis(versions={"torch": "2.4"}, layout=Layout(tp=2, fused=False))
    assert against([broken], other_machine="exact-only").exit_code == 1


def test_nothing_to_check_is_not_green() -> None:
    assert check([]).exit_code == 2
    verdict = check([BASE])
    assert verdict.exit_code == 2
    assert "no baseline named tp2" in first(verdict).why


def test_an_off_metric_is_not_judged() -> None:
    slow = [make_analysis(pace=(1.1,))] * 3
    assert against(slow, metrics={"step.time": "off", "communication.*": "off"}).exit_code == 0


def test_a_warning_does_not_fail() -> None:
    verdict = against(
        [make_analysis(pace=(1.1,))] * 3, metrics={"step.time": {"level": "warn", "increase": "3 %"}}
    )
    assert verdict.exit_code == 0
    assert row(verdict, "step.time").warns


def test_a_budget_on_memory_that_is_an_error_fails() -> None:
    budget = {"memory.peak": {"level": "error", "increase": "5 %"}}
    assert row(against([make_analysis(peak_bytes=90_000_000)] * 3, metrics=budget), "memory.peak").fails


def test_a_limit_in_another_unit_is_refused() -> None:
    with pytest.raises(BudgetProblem, match="the limit '3 ms' is in ns, the metric in count"):
        against(
            [make_analysis(layout=Layout(tp=2, fused=False))],
            metrics={"collective.count": {"change": "3 ms"}},
        )


def test_an_amount_allows_that_much() -> None:
    unfused = make_analysis(layout=Layout(tp=2, fused=False))
    off = {"communication.*": "off", "collective.order": "off", "step.time": "off", "stall.*": "off"}
    for amount, code in (("4", 0), ("3", 1)):
        rules = {**off, "collective.count": {"change": amount}}
        verdict = against([unfused], metrics=rules)
        assert {row.fails for row in verdict.runs[0].rows if row.metric == "collective.count"} == {bool(code)}


def test_steps_that_differ_are_caught_though_the_median_agrees() -> None:
    table = BASE.instances
    extra = table[(table["window"] == "step 2")].head(2)
    odd = replace(BASE, instances=pd.concat([table, extra], ignore_index=True))
    count = row(against([odd]), "collective.count")
    assert (count.status, count.baseline, count.candidate) == ("changed", 13, 13)
    assert "1 of 3 steps differ: 14 in the step at place 2" in count.why


def test_ranks_that_differ_are_caught_though_the_mean_agrees() -> None:
    table = BASE.instances
    swapped = table[~((table["rank"] == 0) & (table["index"] % 13 == 0))]
    more = table[(table["rank"] == 1) & (table["index"] % 13 == 0)]
    odd = replace(BASE, instances=pd.concat([swapped, more], ignore_index=True))
    count = row(against([odd]), "collective.count")
    assert count.status == "changed"
    assert "the same on average, but rank 0: 13 → 12, rank 1: 13 → 14" in count.why


def test_the_same_collectives_in_another_order_fail() -> None:
    calls = calls_of(step_volume(Layout(tp=2), TINY_GPT))
    verdict = against([make_analysis(calls=calls[::-1])], [make_analysis(calls=calls)])
    assert verdict.exit_code == 1
    assert first(verdict).metric == "collective.order"
    assert first(verdict).why.startswith("group 0,1, collective ")


def test_expectations_hold_without_a_baseline() -> None:
    rules = parse_config(
        {
            "expect": {
                "communication.wire_bytes": "theory",
                "collective.count/all_reduce/backward": "theory",
                "collective.count/all_gather/backward": 0,
                "collective.count/all_reduce/forward": "<= 8",
                "communication.exposed": "<= 15% of step",
                "memory.peak": "<= 50 MB",
            }
        },
        "test",
    )
    verdict = check([BASE], {}, rules)
    assert verdict.exit_code == 0
    assert {row.status for row in verdict.runs[0].rows} == {"ok"}


def test_a_broken_closed_form_says_where() -> None:
    rules = parse_config({"expect": {"communication.wire_bytes": "theory"}}, "test")
    calls = calls_of(step_volume(Layout(tp=2, fused=False), TINY_GPT))
    verdict = check([make_analysis(calls=calls)], {}, rules)
    assert verdict.exit_code == 1
    assert first(verdict).status == "broken"
    assert "all_reduce/backward 576 KiB for 320 KiB" in first(verdict).why


def test_counts_per_layer_need_layers() -> None:
    rules = parse_config({"expect": {"collective.count/all_reduce/forward per layer": 2}}, "test")
    calls = [Call("all_reduce", 64, "forward", "tp", 2, layer=layer) for layer in (0, 1)]
    assert (
        check([make_analysis(calls=(*calls, Call("all_reduce", 8, role="loss")))], {}, rules).exit_code == 0
    )
    broken = check([make_analysis(calls=(calls[0],))], {}, rules)
    assert first(broken).why == "layer 1 on rank 0: 0, expected == 2"
    unknown = check([BASE], {}, rules)
    assert unknown.exit_code == 1
    assert "layers cannot be told" in first(unknown).why


def test_a_share_of_the_step_is_told_in_time() -> None:
    rules = parse_config({"expect": {"communication.exposed": "<= 1% of step"}}, "test")
    verdict = check([BASE], {}, rules)
    assert first(verdict).why == "91.7 us, expected <= 10.9 us"


def test_baselines_survive_the_file_they_are_kept_in(tmp_path: Path) -> None:
    late = make_analysis(late_ns={1: 700}, layout=SP)
    file = write_baseline([snapshot(late)], tmp_path / "tp2")
    assert read_baseline(file).runs == (replace(snapshot(late), path=""),)
    assert load_baselines(tmp_path).keys() == {"tp2"}
    assert check([late], load_baselines(tmp_path)).exit_code == 0


def test_gradients_in_32_bits_instead_of_16_are_caught_though_times_are_not_compared() -> None:
    """Without a recorded model the payload's dtype says what changed, and its bytes are exact."""
    half, whole = (
        make_analysis(model=None, layout=None, calls=(Call("all_reduce", size, "backward", dtype=dtype),))
        for dtype, size in (("bfloat16", 4096), ("float32", 8192))
    )
    verdict = against([whole], [half])
    assert verdict.exit_code == 1
    assert first(verdict).metric == "communication.payload_bytes"
    assert "all_reduce in backward 0 → 1 a step" in first(verdict).why
    assert row(verdict, "step.time").status == "not-comparable"


def test_lost_overlap_is_an_error_only_where_exposed_communication_grew() -> None:
    calls = tuple(Call("all_gather", 400_000, role=None) for _ in range(5))
    hidden = make_analysis(calls=calls, overlapped=1.0, compute_ns=790_000)
    lost = row(against([make_analysis(calls=calls)] * 3, [hidden] * 3), "communication.overlapped")
    assert lost.fails
    assert (
        lost.why
        == "compute hides 210 us → 0 ns of communication a step; all_gather in forward exposed 0 ns → 210 us"
    )
    less = make_analysis(calls=calls, overlapped=1.0, compute_ns=790_000, gb_per_s=40.0)
    assert not row(against([less] * 3, [hidden] * 3), "communication.overlapped").fails


def test_a_baseline_from_before_a_setting_was_known_has_it_as_a_plain_program() -> None:
    old = snapshot(BASE)
    older = replace(old, other={name: value for name, value in old.other.items() if name != "layout.sp"})
    assert check([BASE], {"tp2": Baseline("tp2", (older,) * 3)}).exit_code == 0
    verdict = check([make_analysis(layout=SP)], {"tp2": Baseline("tp2", (older,) * 3)})
    assert "layout.sp False → True" in first(verdict).why


def unmatched(analysis: Analysis) -> Analysis:
    """The same recording, had its collectives not been matched over the ranks."""
    table = analysis.instances.assign(instance=None, wait_ns=None, transfer_ns=None)
    rows = tuple(
        replace(row, exposed_wait_ns=None, exposed_transfer_ns=None, exposed_unknown_ns=row.exposed_ns)
        for row in analysis.breakdown
    )
    return replace(analysis, instances=table, breakdown=rows, critical_paths=(), stalls=())


def test_one_bad_recording_of_three_spoils_neither_baseline_nor_check() -> None:
    mixed = [unmatched(BASE), BASE, BASE]
    assert against([BASE] * 3, mixed).exit_code == 0
    assert against(mixed, mixed).exit_code == 0
    assert against(mixed, [BASE] * 3).exit_code == 0


def test_what_matching_could_not_tell_is_a_warning_and_not_broken() -> None:
    verdict = against([unmatched(BASE)] * 3)
    assert verdict.exit_code == 0
    assert row(verdict, "stall.blocking").warns


def test_what_matching_could_not_tell_cannot_be_checked_where_an_error_hangs_on_it() -> None:
    verdict = against(
        [unmatched(BASE)] * 3, metrics={"stall.blocking": {"level": "error", "increase": "10 %"}}
    )
    assert (verdict.status, verdict.exit_code) == ("error", 2)
    assert row(verdict, "stall.blocking").status == "not-comparable"


def test_another_payload_is_told_by_its_bytes_and_not_by_missing_times() -> None:
    verdict = against(
        [make_analysis(model=replace(TINY_GPT, hidden=128), calls=(Call("all_reduce", 999),))] * 3
    )
    assert verdict.exit_code == 1
    assert not [one for one in verdict.runs[0].rows if one.metric.startswith("transfer.time") and one.fails]
    assert not [one for one in verdict.runs[0].rows if one.metric.startswith("transfer.time") and one.warns]


def test_memory_repeats_so_that_one_recording_is_enough() -> None:
    verdict = against([make_analysis(peak_bytes=56_000_000)])
    assert verdict.exit_code == 1
    assert first(verdict).metric == "memory.peak"


def test_repetitions_belong_to_their_configuration(tmp_path: Path) -> None:
    write_baseline([snapshot(BASE)] * 3, tmp_path / "tp2")
    write_baseline([snapshot(make_analysis(layout=SP))] * 3, tmp_path / "sp2")
    runs = [make_analysis(name=f"tp2-{i}") for i in (1, 2, 3)]
    verdict = check(runs, load_baselines(tmp_path))
    assert [(run.run, run.baseline) for run in verdict.runs] == [("tp2", "tp2")]
    assert row(verdict, "step.time").runs == "3 against 3 runs"


def test_runs_of_one_name_and_two_layouts_are_judged_apart() -> None:
    other = make_analysis(layout=Layout(tp=2, fused=False))
    verdict = against([BASE, other])
    assert [(run.run, run.status) for run in verdict.runs] == [("tp2", "pass"), ("runs/tp2", "fail")]


def test_a_share_is_of_the_step_it_was_measured_in() -> None:
    rules = parse_config({"expect": {"communication.exposed": "<= 9% of step"}}, "test")
    assert check([make_analysis(overhead=3.0)], {}, rules).exit_code == 0


def test_new_repetitions_make_one_baseline_and_other_layouts_another() -> None:
    names = ("tp-1", "tp-2", "tp-4")
    layouts = (Layout(tp=2), Layout(tp=2), SP)
    runs = [
        snapshot(make_analysis(name=name, layout=layout)) for name, layout in zip(names, layouts, strict=True)
    ]
    groups = group_runs(runs, {})
    assert {name: [run.name for run in members] for name, members in groups.items()} == {
        "tp": ["tp-1", "tp-2"],
        "tp-4": ["tp-4"],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "not one of ours"),
        ('{"schema": "commscope.expected/9", "runs": []}', "reads 'commscope.expected/1'"),
        ('{"schema": "commscope.expected/1", "runs": []}', "holds no run"),
        ('{"schema": "commscope.expected/1", "runs": [{"name": 3}]}', "not one of ours"),
    ],
)
def test_an_unreadable_baseline_is_told(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "expected.json").write_text(content)
    with pytest.raises(UnreadableTrace, match=message):
        load_baselines(tmp_path)


def test_an_absent_or_empty_baseline_folder_says_how_to_make_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UsageProblem) as caught:
            load_baselines(folder)
        assert "--update-baseline" in str(caught.value)


def test_every_row_names_the_command_that_shows_more() -> None:
    assert first(against([make_analysis(pace=(1.1,))] * 3)).command == "commscope compare runs/tp2 runs/tp2"


def test_a_recording_that_broke_off_fails() -> None:
    broken = replace(BASE, run=replace(BASE.run, complete=False))
    verdict = against([broken])
    assert verdict.exit_code == 1
    assert "did not run to its end" in first(verdict).why
