"""Operators and floating point operations of a step: judged as exact, and told as rates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commscope.check import Baseline, Row, check, snapshot
from commscope.cli.main import run
from commscope.compare import compare, measure, utilisation_of
from commscope.compare.words.work_words import work_sentences
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.report.contract import analysis_document, comparison_document
from commscope.schema import Phase
from tests.analyses import make_analysis
from tests.conftest import CHECKOUT

TRACES = CHECKOUT / "traces"
FLOPS = {Phase.FORWARD: 1_000_000, Phase.BACKWARD: 2_000_000}
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


def flops_row(before: dict[Phase, int] | None, after: dict[Phase, int] | None) -> Row | None:
    baseline = Baseline("tp2", (snapshot(make_analysis(flops=before)),))
    rows = check([make_analysis(flops=after)], {"tp2": baseline}).runs[0].rows
    return rows[0] if rows[0].metric == "compute.flops" else None


def test_four_times_the_batch_is_caught_though_no_collective_or_operator_moved() -> None:
    row = flops_row(FLOPS, {phase: 4 * flops for phase, flops in FLOPS.items()})
    assert row is not None
    assert row.fails
    told = "backward 2.00 MFLOP → 8.00 MFLOP, forward 1.00 MFLOP → 4.00 MFLOP"
    assert row.why == f"floating point operations a step: {told}"


def test_a_side_without_shapes_is_not_zero() -> None:
    assert flops_row(None, FLOPS) is None
    assert flops_row(FLOPS, None) is None
    metric = compare(make_analysis(flops=FLOPS), make_analysis(flops=None)).metric("compute.flops")
    assert metric is not None
    assert (metric.status, metric.candidate) == ("missing", None)
    assert "shapes of matrix products were not recorded" in metric.why


def test_a_phase_that_disappears_is_exact() -> None:
    verdict = compare(
        make_analysis(flops={**FLOPS, Phase.RECOMPUTE: 5}), make_analysis(name="b", flops=FLOPS)
    )
    again = verdict.metric("compute.flops/recompute")
    assert again is not None
    assert (again.kind, again.baseline, again.candidate, again.status) == ("exact", 5, 0, "better")


def test_recompute_is_hardware_work_and_not_the_models() -> None:
    used = utilisation_of(make_analysis(flops={**FLOPS, Phase.RECOMPUTE: 1_500_000}), gpu="v100")
    assert (used.model_flops, used.hardware_flops) == (3_000_000, 4_500_000)
    assert used.step_ns is not None
    assert used.mfu == pytest.approx(3_000_000 / used.step_ns * 1e9 / 125e12)
    assert used.hfu == pytest.approx(1.5 * used.mfu)


@pytest.mark.parametrize(
    ("device", "gpu"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA A100-PCIE-40GB", "a100"),
        ("NVIDIA A100 80GB PCIe", "a100"),
        ("Tesla V100-SXM2-32GB", "v100"),
        ("AMD Instinct MI300X", "mi300x"),
        ("NVIDIA GB200", "gb200-nvl72"),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
        ("Tesla V100-PCIE-16GB", None),
        ("NVIDIA GH200 480GB", None),
        ("cpu", None),
    ],
)
def test_the_peak_is_of_the_device_that_was_recorded(device: str, gpu: str | None) -> None:
    run = make_analysis(devices=(device,), flops=FLOPS)
    assert utilisation_of(run).gpu == gpu
    told = work_sentences(utilisation_of(run))[-1]
    assert ("MFU" in told and "no MFU" not in told) == (gpu is not None)


def test_text_and_json_tell_rates_and_why_there_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [make_analysis(flops=FLOPS), make_analysis(name="b", flops=None)]
    assert analysis_document(runs[0], "h100")["utilisation"]["model_flops"] == 3_000_000
    told = comparison_document(compare(*runs))["utilisation"]
    assert told["baseline"]["mfu"] is None
    assert told["candidate"]["model_flops_per_s"] is None
    assert "shapes of matrix products" in told["candidate"]["why"]
    assert any(
        line.startswith("Compute a step and rank, profiled: forward ") for line in compare(*runs).findings
    )
    assert run(["analyze", str(TRACES / "gpt-tp2"), "--gpu", "h1000"]) == 2
    assert "--gpu h1000 is unknown" in capsys.readouterr().err
