"""Times of collectives against NCCL's constants worked out on paper and published measurements; the plan's sums."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commscope.cli.main import run
from commscope.errors import UsageProblem
from commscope.theory.gpus import GPUS
from commscope.theory.network import collective_time, line_rate_ns, neighbours
from commscope.theory.plan import plan
from commscope.trace import Layout, ModelShape

H100, A100 = GPUS["h100"], GPUS["a100"]
B22 = ModelShape("gpt", 48, 6144, 24576, 64, 64, 51200, 2048, 4, dtype="bfloat16")
P = 100_663_296  # one activation of the 22B model


def microseconds(collective: str, payload: int, ranks: int, algorithm: str | None = None) -> float:
    return collective_time(collective, payload, neighbours(ranks, H100), H100, algorithm).time_ns / 1e3


@pytest.mark.parametrize(
    ("collective", "payload_bytes", "expected"),
    [
        # Simple: 8.4 + 14 x 3.4 us, and 1.75 x 100.66 MB at 360 GB/s
        ("all_reduce", P, 8.4 + 47.6 + 489.3),
        ("all_gather", P, 8.4 + 23.8 + 244.7),
        # LL: 6.6 + 14 x 0.6 us, and 7168 B at 141 GB/s
        ("all_reduce", 4096, 6.6 + 8.4 + 0.05),
    ],
)
def test_rings_on_eight_h100(collective: str, payload_bytes: int, expected: float) -> None:
    assert microseconds(collective, payload_bytes, 8, "ring") == pytest.approx(expected, abs=0.1)


def test_nvls_halves_the_large_all_reduce_and_is_taken_by_itself() -> None:
    assert microseconds("all_reduce", P, 8) == pytest.approx(366, rel=0.05)
    assert microseconds("all_reduce", P, 8) == microseconds("all_reduce", P, 8, "nvls")


@pytest.mark.parametrize(("ranks", "busbw"), [(4, 370), (5, 420), (6, 440), (7, 460), (8, 480)])
def test_bus_bandwidth_of_nvls_by_ranks(ranks: int, busbw: float) -> None:
    """nccl-tests #212 and nccl #1455: large all_reduces on 4 to 8 H100 of one node."""
    size = 8 << 30
    wire = 2 * (ranks - 1) / ranks * size
    assert wire / microseconds("all_reduce", size, ranks) / 1e3 == pytest.approx(busbw, rel=0.03)


def test_two_tiers_against_a_model_fitted_to_nccl_tests() -> None:
    """22B model, 16 ranks on 2 x 8 with a NIC each: 84 ms of collectives a step under TP, 209 ms under TP + SP."""
    tp, sp = (plan(Layout(tp=16, sp=sp), B22).communication_ns / 1e6 for sp in (False, True))
    assert tp == pytest.approx(84, rel=0.1)
    assert sp == pytest.approx(209, rel=0.1)
    one_nic = replace(H100, nics_per_node=1)
    assert 6 < plan(Layout(tp=16, sp=True), B22, None, one_nic).communication_ns / 1e6 / sp < 12


def test_sp_costs_a_quarter_more_on_a_ring_and_three_quarters_more_beside_nvls() -> None:
    tp, sp = plan(Layout(tp=8), B22), plan(Layout(tp=8, sp=True), B22)
    assert sp.wire_bytes / tp.wire_bytes == pytest.approx(1.25, abs=0.01)
    assert sp.communication_ns / tp.communication_ns == pytest.approx(1.75, rel=0.06)
    without = replace(H100, nvls_gbps=None)
    ring_tp, ring_sp = (
        plan(Layout(tp=8, sp=sp), B22, None, without).communication_ns for sp in (False, True)
    )
    assert ring_sp / ring_tp == pytest.approx(1.25, abs=0.03)  # latencies besides


def test_the_nominal_rate_of_four_a100() -> None:
    """1.5 x 402.65 MB at 300 GB/s: 2.01 ms; 2.6 to 2.8 ms is reached."""
    group = neighbours(4, A100)
    assert line_rate_ns("all_reduce", 402_653_184, group, A100) / 1e6 == pytest.approx(2.013, abs=1e-3)
    assert 2.6e6 < collective_time("all_reduce", 402_653_184, group, A100).time_ns < 2.8e6


def test_groups_lie_on_nodes_by_their_stride() -> None:
    assert (neighbours(8, H100).nodes, neighbours(16, H100).nodes) == (1, 2)
    assert (neighbours(4, H100, 2).nodes, neighbours(4, H100, 8).nodes) == (1, 4)
    assert neighbours(72, GPUS["gb200-nvl72"]).nodes == 1


def test_one_rank_alone_needs_no_time_and_what_cannot_run_is_refused() -> None:
    assert collective_time("all_reduce", 1 << 20, neighbours(1, H100), H100).time_ns == 0
    with pytest.raises(UsageProblem, match="no nvls of all_gather"):
        collective_time("all_gather", P, neighbours(8, H100), H100, "nvls")
    with pytest.raises(UsageProblem, match="no nvls"):
        collective_time("all_reduce", P, neighbours(8, A100), A100, "nvls")


@given(
    payload=st.integers(1, 1 << 32),
    ranks=st.integers(2, 64),
    gpu=st.sampled_from(sorted(GPUS)),
    collective=st.sampled_from(["all_reduce", "all_gather", "reduce_scatter"]),
)
def test_more_payload_takes_longer_and_a_ring_no_less_than_the_line_rate(
    payload: int, ranks: int, gpu: str, collective: str
) -> None:
    machine = GPUS[gpu]
    group = neighbours(ranks, machine)
    ring = collective_time(collective, payload, group, machine, "ring").time_ns
    assert ring >= line_rate_ns(collective, payload, group, machine)
    few = collective_time(collective, payload, group, machine).time_ns
    assert 0 < few <= ring
    if group.nodes == 1:  # between nodes larger shares use the ports better
        assert few <= collective_time(collective, 2 * payload, group, machine).time_ns


def test_measured_bandwidth_wins_over_the_model() -> None:
    given = replace(H100, busbw_gbps=(("all_reduce", 100.0),))
    assert collective_time("all_reduce", P, neighbours(8, given), given).time_ns == pytest.approx(
        1.75 * P / 100, rel=0.01
    )


def test_time_prints_one_collective_by_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["time", "all_reduce", "402653184B", "--ranks", "4", "--gpu", "a100", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "commscope.time/1"
    assert told["time_ns"] * told["busbw_gbps"] == pytest.approx(1.5 * 402_653_184)
    assert told["algbw_gbps"] * 1.5 == pytest.approx(told["busbw_gbps"])
    assert (told["algorithm"], told["nominal_ns"]) == ("ring", 2_013_266)


def test_plan_has_what_the_contract_names(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = "--layers 48 --hidden 6144 --heads 64 --seq 2048 --batch 4 --vocab 51200 --dtype bfloat16"
    assert run(["plan", "gpt", "--tp", "8", "--sp", "--tied", *sizes.split(), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sum(told["memory"]["by_part_bytes"].values()) == told["memory"]["total_bytes"]
    assert told["memory"]["fits"] is (told["memory"]["total_bytes"] <= told["memory"]["capacity_bytes"])
    step, communication = told["step"], told["communication"]
    assert sum(step["parts_ns"].values()) == pytest.approx(step["time_ns"], abs=10)
    assert step["low_ns"] < step["time_ns"] < step["high_ns"]
    assert sum(row["time_ns"] for row in communication["by_collective"]) == pytest.approx(
        communication["time_ns"], abs=20
    )
    assert {row["algorithm"] for row in communication["by_collective"]} == {"ring", "nvls"}
    assert told["parameters"] == 12 * 48 * 6144**2 + 13 * 48 * 6144 + 51200 * 6144 + 2048 * 6144 + 2 * 6144
    assert told["flops"]["model"] == told["flops"]["hardware"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--heads 128 --hidden 64", "hidden 64 is not a multiple of 128"),
        ("llama --kv-heads 3", "heads 8 is not a multiple of 3"),
        ("llama --unfused --kv-heads 2 --tp 4", "without the fused QKV"),
        ("--efficiency 0", "is not in the range"),
        ("--gpu abacus", "--gpu abacus is unknown"),
        ("--busbw all_reduce=0", "cannot read --busbw"),
        ("--layers 3 --pp 2", "layers 3 is not a multiple of 2"),
        ("--seq 128 --cp 3", "seq 128 is not a multiple of 3"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", *arguments.split()]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("layout", [Layout(tp=7), Layout(tp=5, sp=True), Layout(tp=128)])
def test_uneven_parts_are_refused_with_the_number_that_does_not_divide(layout: Layout) -> None:
    with pytest.raises(UsageProblem, match="is not a multiple of"):
        plan(layout, B22)


def test_only_wire_time_remains_without_latency() -> None:
    """At 370 GB/s and nothing hidden: 92, 116, 138 and 161 ms for the four layouts of the 22B model."""
    layouts = (
        Layout(tp=8),
        Layout(tp=8, sp=True),
        Layout(tp=8, recompute="full"),
        Layout(tp=8, sp=True, recompute="full"),
    )
    assert [round(plan(layout, B22).wire_bytes / 370 / 1e6) for layout in layouts] == [92, 116, 138, 161]
