"""Comparisons of made runs, whose numbers follow from their recipes."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from commscope.compare import Comparison, capture_overhead, compare, measure
from commscope.compare.comparability import Facts, differences_between, facts_of
from commscope.trace import Layout
from tests.analyses import TINY_GPT, Call, make_analysis

TP = make_analysis()
SP = make_analysis(name="sp2", layout=Layout(tp=2, sp=True))
KEPT = make_analysis(name="kept", layout=Layout(tp=2, sp=True, sp_keep_gathered=True))
NAMES = (
    "step.time", "communication.exposed", "communication.overlapped", "communication.exposed_wait",
    "communication.exposed_transfer", "communication.payload_bytes", "communication.wire_bytes",
    "collective.count", "stall.blocking", "memory.peak", "theory.wire_bytes",
)  # fmt: skip


def value(comparison: Comparison, name: str) -> tuple[float | None, float | None, str]:
    metric = comparison.metric(name)
    assert metric is not None, name
    return metric.baseline, metric.candidate, metric.status


def test_every_promised_metric_is_there() -> None:
    comparison = compare(TP, SP)
    for name in NAMES:
        assert comparison.metric(name) is not None, name


def test_counts_of_tp_and_sp_per_step_and_rank() -> None:
    comparison = compare(TP, SP)
    assert value(comparison, "collective.count/all_reduce/forward")[:2] == (8, 4)
    assert value(comparison, "collective.count/all_reduce/backward")[:2] == (5, 0)
    assert value(comparison, "collective.count/all_gather/backward")[:2] == (0, 10)
    assert value(comparison, "collective.count/reduce_scatter/forward")[:2] == (0, 4)
    assert value(comparison, "collective.count/all_reduce/forward/loss") == (3, 3, "same")


def test_measured_bytes_equal_the_closed_form() -> None:
    comparison = compare(TP, SP)
    theory = [m for m in comparison.metrics if m.metric.startswith("theory.wire_bytes")]
    assert len(theory) > 5
    for metric in theory:
        measured = metric.metric.replace("theory.", "communication.")
        assert value(comparison, measured)[:2] == (metric.baseline, metric.candidate)


def test_the_verdict_names_both_runs_the_phase_and_the_second_gather() -> None:
    verdict = compare(TP, SP).verdict
    assert verdict.startswith("tp2 → sp2: 31.0 % more wire bytes; step not shown slower.")
    assert "mostly in backward (all_gather 0 → 10, all_reduce 5 → 0, reduce_scatter 0 → 5)" in verdict
    assert "5 inputs of column-parallel linears are gathered a second time" in verdict
    assert "Gloo itself sends twice a ring's bytes for each reduce_scatter" in verdict
    assert verdict.endswith(".")
    assert "second time" in compare(SP, KEPT).verdict


def test_a_pure_exchange_of_all_reduces_keeps_wire_bytes_and_doubles_payload() -> None:
    reduce = make_analysis(calls=(Call("all_reduce", 4096, count=2),))
    gather = make_analysis(
        name="pairs", calls=(Call("all_gather", 4096, count=2), Call("reduce_scatter", 4096, count=2))
    )
    comparison = compare(reduce, gather)
    assert value(comparison, "communication.wire_bytes") == (8192, 8192, "same")
    assert value(comparison, "communication.payload_bytes")[:2] == (8192, 16384)
    assert (
        "Wire bytes are the same (8.00 KiB per rank and step), though payload changes by +100 %"
        in comparison.verdict
    )


def test_the_same_run_twice_is_the_same_within_noise() -> None:
    comparison = compare(TP, TP)
    assert {m.status for m in comparison.metrics} == {"same"}
    assert (
        comparison.headline
        == "runs/tp2 → runs/tp2: the same wire bytes; no difference in step time is shown."
    )


def test_a_difference_that_noise_hides_is_not_called_the_same() -> None:
    noisy = make_analysis(pace=(0.5, 1.0, 1.5, 0.6, 1.4))
    slower = make_analysis(name="b", pace=(0.6, 1.2, 1.8, 0.7, 1.7))
    verdict = compare(noisy, slower).verdict
    assert "step not shown slower" in verdict
    assert "the same." not in verdict


def test_who_waited_for_whom_is_said_with_the_run() -> None:
    late = make_analysis(name="late", late_ns={1: 20_000})
    verdict = compare(TP, late).verdict
    assert "In late rank 0 waited 260 us a step for rank 1" in verdict  # 13 collectives x 20 us


def test_step_time_is_unprofiled_where_both_runs_have_it() -> None:
    slow_profiler = make_analysis(name="b", overhead=2.0)
    metric = compare(TP, slow_profiler).metric("step.time")
    assert metric is not None
    assert metric.baseline == pytest.approx(2 * (metric.candidate or 0), rel=1e-5)
    assert metric.basis == "median of 3 unprofiled steps"
    assert capture_overhead(slow_profiler) == pytest.approx(1.0, rel=1e-4)


def test_step_time_is_profiled_on_both_sides_where_one_lacks_it() -> None:
    foreign = make_analysis(name="b", step_times=False, overhead=2.0)
    metric = compare(make_analysis(overhead=2.0), foreign).metric("step.time")
    assert metric is not None
    assert metric.baseline == metric.candidate
    assert metric.basis == "median of 3 steps, profiled"
    assert capture_overhead(foreign) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ranks": 4}, "world_size"),
        ({"backend": "nccl"}, "backend"),
        ({"versions": {"torch": "2.4"}}, "versions.torch"),
        ({"devices": ("NVIDIA H100",)}, "device"),
        ({"model": replace(TINY_GPT, layers=3)}, "model.layers"),
        ({"model": replace(TINY_GPT, dtype="bfloat16")}, "dtype"),
        ({"model": replace(TINY_GPT, batch=4)}, "tokens"),
        ({"marked_steps": False}, "steps"),
        ({"missing_ranks": (1,)}, "missing_ranks"),
    ],
)
def test_what_makes_times_incomparable(changes: dict[str, object], field: str) -> None:
    comparison = compare(TP, make_analysis(name="other", **changes))
    assert not comparison.comparable
    assert field in {row.field for row in comparison.differences if row.breaks}
    assert value(comparison, "step.time")[2] == "not-comparable"
    assert "cannot be compared in time" in comparison.verdict
    assert field in comparison.verdict


def test_another_machine_leaves_counts_and_bytes_comparable() -> None:
    comparison = compare(TP, make_analysis(name="other", versions={"torch": "2.4"}))
    assert value(comparison, "communication.wire_bytes")[2] == "same"
    other_model = compare(TP, make_analysis(name="other", model=replace(TINY_GPT, layers=3)))
    assert value(other_model, "communication.wire_bytes")[2] == "not-comparable"


def test_a_layout_differs_without_breaking() -> None:
    comparison = compare(TP, SP)
    assert comparison.comparable
    assert [(row.field, row.baseline, row.candidate) for row in comparison.differences] == [
        ("layout.sp", False, True)
    ]


def test_the_same_tokens_in_other_microbatches_are_comparable() -> None:
    split = make_analysis(name="b", model=replace(TINY_GPT, batch=1, microbatches=2))
    comparison = compare(TP, split)
    assert comparison.comparable
    assert {row.field for row in comparison.differences} == {"model.batch", "model.microbatches"}


def test_facts_nobody_recorded_are_unknown_and_said() -> None:
    foreign = make_analysis(name="b", layout=None, model=None, versions={}, calls=(Call("all_reduce", 64),))
    comparison = compare(foreign, foreign)
    assert comparison.comparable
    assert comparison.unknown == ("versions.torch", "model", "tokens", "layout")
    assert "Not known to be equal: versions.torch, model, tokens, layout" in comparison.verdict
    assert value(comparison, "theory.wire_bytes") == (None, None, "missing")


def test_a_fact_only_one_run_tells_is_listed_but_breaks_nothing() -> None:
    comparison = compare(TP, make_analysis(name="b", versions={}))
    assert comparison.comparable
    (row,) = [row for row in comparison.differences if row.field == "versions.torch"]
    assert (row.baseline, row.candidate, row.breaks) == ("2.13.0", None, False)


def test_a_phase_the_trace_does_not_hold_is_absent_not_zero() -> None:
    made = make_analysis(name="forward-only", calls=(Call("all_reduce", 64),), layout=None)
    rows = tuple(
        replace(
            row,
            compute_by_phase_ns={
                phase: ns for phase, ns in row.compute_by_phase_ns.items() if phase == "forward"
            },
        )
        for row in made.breakdown
        if row.compute_by_phase_ns is not None
    )
    metric = compare(TP, replace(made, breakdown=rows)).metric("collective.count/all_reduce/backward")
    assert metric is not None
    assert (metric.baseline, metric.candidate, metric.status) == (5, None, "missing")
    assert metric.why == "backward is not present in this trace"


def test_an_instance_without_a_size_leaves_bytes_absent_and_counts_whole() -> None:
    table = TP.instances.copy()
    table.loc[0, ["payload_bytes", "wire_bytes"]] = None
    measured = measure(replace(TP, instances=table))
    assert measured["communication.payload_bytes"].value is None
    assert "1 of 78 instances have no recorded size" in measured["communication.payload_bytes"].why
    assert measured["collective.count"].value == 13


def test_memory_measured_in_two_ways_is_not_compared() -> None:
    rss = replace(TP, memory=tuple(replace(row, kind="rss") for row in TP.memory))
    metric = compare(TP, rss).metric("memory.peak")
    assert metric is not None
    assert metric.status == "not-comparable"
    assert "measured as tensors and as rss" in metric.why


def test_equal_names_are_told_apart_by_their_paths() -> None:
    assert "runs/tp2 → runs/tp2" in compare(TP, TP).verdict


def test_exact_metrics_keep_each_rank_and_each_step() -> None:
    table = TP.instances
    extra = table[(table["rank"] == 1) & (table["window"] == "step 2")].head(1)
    more = replace(TP, instances=pd.concat([table, extra], ignore_index=True))
    count = measure(more)["collective.count"]
    assert count.value == 13
    assert count.by_step == (13, 13, 13.5)
    assert count.by_rank == {0: 13, 1: 13}


def test_the_verdict_tells_what_sp_is_for() -> None:
    lean = make_analysis(name="sp2", layout=Layout(tp=2, sp=True), peak_bytes=40_000_000)
    assert "Its memory peak is 20.0 % less (38.1 MiB against 47.7 MiB)" in compare(TP, lean).verdict
    assert "memory" not in compare(TP, SP).verdict


def test_the_order_of_rows_and_ranks_changes_nothing() -> None:
    shuffled = replace(SP, instances=SP.instances.sample(frac=1, random_state=3).reset_index(drop=True))
    reordered = replace(shuffled, breakdown=SP.breakdown[::-1], stalls=SP.stalls[::-1])
    assert compare(TP, reordered).metrics == compare(TP, SP).metrics
    assert compare(TP, reordered).verdict == compare(TP, SP).verdict


def test_swapping_the_runs_swaps_better_and_worse() -> None:
    there = {m.metric: m for m in compare(TP, SP).metrics if m.kind == "exact"}
    back = {m.metric: m for m in compare(SP, TP).metrics if m.kind == "exact"}
    swapped = {"better": "worse", "worse": "better"}
    assert there.keys() == back.keys()
    for name, metric in there.items():
        assert (back[name].baseline, back[name].candidate) == (metric.candidate, metric.baseline)
        assert back[name].status == swapped.get(metric.status, metric.status)


def test_phases_sum_to_the_total() -> None:
    measured = measure(SP)
    for metric in ("collective.count", "communication.payload_bytes", "communication.wire_bytes"):
        parts = [
            m.value or 0 for name, m in measured.items() if name.startswith(metric) and name.count("/") == 2
        ]
        assert sum(parts) == measured[metric].value


def test_a_layout_kept_before_it_had_a_word_for_a_part_had_that_part_as_by_default() -> None:
    facts = facts_of(make_analysis(layout=Layout(tp=2)))
    older = Facts(facts.breaking, {name: one for name, one in facts.other.items() if name != "layout.vpp"})
    assert differences_between(older, facts) == differences_between(facts, older) == ()
    interleaved = facts_of(make_analysis(layout=Layout(tp=2, vpp=2)))
    assert [row.field for row in differences_between(older, interleaved)] == ["layout.vpp"]
