"""Numbers that others published, or that independent code computed, of other people's traces (see their README)."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import RankAnalysis, RankBreakdown
from commscope.readers import open_run, read_rank
from commscope.schema import Phase

US = 1_000
MS = 1_000_000


@cache
def analyzed(path: Path) -> tuple[RankAnalysis, ...]:
    run = open_run(path)
    return tuple(analyze_rank(read_rank(part, run.info)) for part in run.parts)


def capture(rank: RankAnalysis) -> RankBreakdown:
    return rank.breakdown[0]


def per_step(rank: RankAnalysis) -> dict[tuple[str, str], float]:
    """Mean count of collectives a step by (phase, kind)."""
    steps = max(len(rank.windows) - 1, 1)
    counts = Counter(zip(rank.instances["phase"], rank.instances["collective"], strict=True))
    return {key: count / steps for key, count in counts.items()}


GLOO = {
    "mcore0161_tp2": {("forward", "all_reduce"): 8, ("backward", "all_reduce"): 5},
    "mcore0161_sp2": {
        ("forward", "all_gather"): 5,
        ("forward", "reduce_scatter"): 4,
        ("forward", "all_reduce"): 4,
        ("other", "all_reduce"): 1,
        ("backward", "all_gather"): 10,
        ("backward", "reduce_scatter"): 5,
    },
    "mcore0161_sp2_full": {
        ("forward", "all_gather"): 5,
        ("forward", "reduce_scatter"): 4,
        ("forward", "all_reduce"): 4,
        ("other", "all_reduce"): 1,
        ("backward", "all_gather"): 10,
        ("backward", "reduce_scatter"): 5,
        ("recompute", "all_gather"): 4,
        ("recompute", "reduce_scatter"): 4,
    },
    "torchtitan022_tp2": {
        ("forward", "all_gather"): 13,
        ("forward", "reduce_scatter"): 13,
        ("forward", "all_reduce"): 3,
        ("other", "all_reduce"): 14,
        ("backward", "all_gather"): 13,
        ("backward", "reduce_scatter"): 13,
        ("optimizer", "all_reduce"): 39,
    },
    "dt_n2_tp": {("forward", "all_reduce"): 8, ("backward", "all_reduce"): 11},
    "dt_n2_sp": {
        ("forward", "all_gather"): 5,
        ("forward", "reduce_scatter"): 5,
        ("forward", "all_reduce"): 3,
        ("backward", "all_gather"): 5,
        ("backward", "reduce_scatter"): 5,
        ("optimizer", "all_reduce"): 30,
    },
    "oth_fsdp2": {
        ("forward", "all_gather"): 3,
        ("backward", "all_gather"): 3,
        ("backward", "reduce_scatter"): 2,
        ("other", "reduce_scatter"): 1,
    },
    "oth_ddp": {("forward", "broadcast"): 1, ("backward", "all_reduce"): 3},
    "picotron_tp2_dp2": {
        ("forward", "all_reduce"): 5,
        ("forward", "all_gather"): 1,
        ("backward", "all_reduce"): 12,
    },
}


@pytest.mark.parametrize("folder", GLOO)
def test_gloo_programs_have_their_counts_by_phase_without_any_range_of_ours(real_traces, folder):
    for rank in analyzed(real_traces / "gloo" / folder):
        assert per_step(rank) == GLOO[folder]


def test_one_call_of_every_gloo_collective_is_one_instance_of_its_kind_and_size(real_traces):
    for rank in analyzed(real_traces / "gloo" / "colls"):
        table = rank.instances
        assert Counter(table["collective"]) == {
            "all_reduce": 6,
            "all_gather": 5,
            "reduce_scatter": 4,
            "broadcast": 1,
            "all_to_all": 1,
            "send": 2 if rank.rank == 0 else 1,
            "recv": 1 if rank.rank == 0 else 2,
            "reduce": 1,
            "barrier": 1,
        }
        # 1024 bfloat16 on each rank: gathers and scatters are of 2048; coalesced ones of two tensors.
        sizes = table.groupby("collective")["payload_bytes"].apply(lambda sizes: sorted(sizes.tolist()))
        assert sizes["all_gather"] == [4096, 4096, 4096, 4096, 8192]
        assert sizes["reduce_scatter"] == [4096, 4096, 4096, 4096]
        assert sizes["all_reduce"] == [2048] * 5 + [4096]
        assert sizes["all_to_all"] == [4096]
        assert sizes["barrier"] == [0]
        assert set(table["group_size"]) == {2}


def test_the_early_rank_of_a_skewed_all_reduce_is_in_it_longer(real_traces):
    early, late = (
        rank.instances.query("collective == 'all_reduce'").tail(2).head(1)
        for rank in analyzed(real_traces / "gloo" / "colls")
    )
    assert (early["end_ns"] - early["start_ns"]).item() > 50 * MS
    assert (late["end_ns"] - late["start_ns"]).item() < 10 * MS


MEGATRON_ALL_REDUCE_MS = [241.191, 481.306, 413.325, 472.390, 495.240, 490.928, 263.846, 481.865]
MEGATRON_COMPUTE_US = [131390, 131923, 131474, 132743, 131874, 131544, 133554, 132271]


def test_megatron_on_a100_is_84_all_reduces_of_known_size_and_no_backward(real_traces):
    ranks = analyzed(real_traces / "megatron_tp8_a100")
    for rank in ranks:
        sizes = Counter(
            zip(
                rank.instances["collective"], rank.instances["dtype"], rank.instances["elements"], strict=True
            )
        )
        assert sizes == {("all_reduce", "float16", 33_554_432): 81, ("all_reduce", "float32", 8192): 3}
        assert set(rank.instances["phase"]) == {"forward"}
        assert capture(rank).overlapped_ns == 0
        assert Phase.BACKWARD not in capture(rank).compute_by_phase_ns
        assert "no_backward" in {gap.code for gap in rank.gaps}
    assert [capture(rank).communication_ns for rank in ranks] == pytest.approx(
        [ms * MS for ms in MEGATRON_ALL_REDUCE_MS], abs=US
    )
    assert [capture(rank).compute_ns // US for rank in ranks] == MEGATRON_COMPUTE_US


def test_megatron_ranks_0_and_6_were_held_back_by_their_hosts(real_traces):
    held_ms = [capture(rank).host_bound_ns / MS for rank in analyzed(real_traces / "megatron_tp8_a100")]
    assert {rank for rank, ms in enumerate(held_ms) if ms > 150} == {0, 6}


DLRM = {
    "communication_ns": [5.798, 11.336, 3.492, 9.774, 6.587, 6.251, 3.558, 1.746],
    "overlapped_ns": [0.261, 0.280, 0.275, 0.324, 0.037, 0.040, 0.269, 0.166],
}
TORCHREC = {
    "compute_ns": [382.785, 382.955, 358.482, 381.758],
    "communication_ns": [211.506, 215.531, 105.683, 229.375],
    "overlapped_ns": [111.880, 115.187, 27.468, 116.306],
}


@pytest.mark.parametrize(
    ("folder", "expected"), [("dlrm_8rank_v100", DLRM), ("torchrec_opt4_4rank", TORCHREC)]
)
def test_recommenders_have_the_published_breakdown(real_traces, folder, expected):
    for field, milliseconds in expected.items():
        found = [getattr(capture(rank), field) for rank in analyzed(real_traces / folder)]
        assert found == pytest.approx([ms * MS for ms in milliseconds], abs=US)


def test_dlrm_exchanges_by_send_recv_kernels_that_are_all_to_alls(real_traces):
    for rank in analyzed(real_traces / "dlrm_8rank_v100"):
        counts = Counter(zip(rank.instances["phase"], rank.instances["collective"], strict=True))
        assert counts == {
            ("forward", "all_to_all"): 4,
            ("backward", "all_to_all"): 1,
            ("backward", "all_reduce"): 3,
        }


def test_torchrec_has_30_collectives_a_rank(real_traces):
    for rank in analyzed(real_traces / "torchrec_opt4_4rank"):
        assert Counter(rank.instances["collective"]) == {"all_reduce": 15, "all_to_all": 15}


def test_ddp_with_full_metadata(real_traces):
    (rank,) = analyzed(real_traces / "hta" / "nccl_data.json.gz")
    row = capture(rank)
    assert [row.compute_ns, row.communication_ns, row.overlapped_ns, row.exposed_ns] == pytest.approx(
        [115.656 * MS, 46.876 * MS, 7.317 * MS, 39.559 * MS], abs=US
    )
    counts = Counter(zip(rank.instances["phase"], rank.instances["collective"], strict=True))
    assert counts == {("backward", "all_reduce"): 15, ("forward", "broadcast"): 6}
    assert set(rank.instances["evidence"]) == {"kernel_metadata"}
    reductions = rank.instances.query("collective == 'all_reduce'")
    longest = (reductions["end_ns"] - reductions["start_ns"]).idxmax()
    assert reductions.loc[longest, "elements"] == 2_049_000


def test_a_gpu_rank_without_gpu_events_says_so_and_invents_nothing(real_traces):
    (rank,) = analyzed(real_traces / "hta" / "rank_not_found.json.gz")
    assert "no_device_events" in {gap.code for gap in rank.gaps}
    assert rank.breakdown == ()


def test_a_trace_of_gpu_events_only_has_no_phases(real_traces):
    (rank,) = analyzed(real_traces / "tracelens" / "mi210_gpu_only_trace.json.gz")
    assert "no_phases" in {gap.code for gap in rank.gaps}
    assert capture(rank).compute_by_phase_ns is None


def test_the_oldest_schema_has_steps_and_all_three_phases(real_traces):
    (rank,) = analyzed(real_traces / "kineto_2021" / "resnet50_list_schema.pt.trace.json.gz")
    assert [window.step for window in rank.windows] == [None, 5, 6, 7, 8, 9, 10]
    by_phase = rank.breakdown[2].compute_by_phase_ns
    assert min(by_phase[phase] for phase in (Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER)) > MS


def test_nsys_communication_on_the_compute_stream_is_communication(real_traces):
    ranks = analyzed(real_traces / "nsys" / "mfu_2gpu_before.sqlite")
    assert [capture(rank).compute_ns for rank in ranks] == pytest.approx([253.691 * MS, 256.096 * MS], abs=US)
    assert [capture(rank).communication_ns for rank in ranks] == pytest.approx(
        [17.173 * MS, 8.229 * MS], abs=US
    )
    assert sum(capture(rank).exposed_ns for rank in ranks) == pytest.approx(25.400 * MS, abs=2 * US)
    assert sum(len(rank.instances) for rank in ranks) == 66


@pytest.mark.parametrize(
    "path",
    ["gloo/mcore0161_sp2_full", "megatron_tp8_a100", "torchrec_opt4_4rank", "hta/nccl_data.json.gz"],
)
def test_every_window_of_a_real_trace_is_a_partition(real_traces, path):
    for rank in analyzed(real_traces / path):
        for row in rank.breakdown:
            parts = row.compute_ns + row.exposed_ns + row.copy_ns + row.idle_ns + (row.host_bound_ns or 0)
            assert parts == row.span_ns
            assert row.communication_ns == row.overlapped_ns + row.exposed_ns
            assert min(row.idle_ns, row.copy_ns, row.exposed_ns, row.overlapped_ns) >= 0
            assert sum(row.compute_by_phase_ns.values()) <= row.compute_ns
