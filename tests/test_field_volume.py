"""Inputs made after public reports: what moved, who matched, and what holds a run back, as their README files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from commscope.analysis.attribution import Busy
from commscope.analysis.rank import attribute
from commscope.readers import open_run, read_rank
from tests.test_field_evidence import analyzed, per_step_and_rank, said


def headline(run: Path) -> str:
    return "\n".join(said("analyze", run)[1].splitlines()[1:4])


def test_an_uneven_all_to_all_sends_what_its_splits_say(field_cases: Path) -> None:
    table = analyzed(field_cases / "moe_uneven_alltoall").instances
    sent = {rank: set(rows["wire_bytes"]) for rank, rows in table.groupby("rank")}
    assert sent == {0: {204_800}, 1: {204_800}, 2: {204_800}, 3: {0}}
    assert (
        table.groupby(["window", "rank"])["wire_bytes"].sum().groupby("window").mean().tolist()
        == [150 * 1024] * 2
    )


def test_copies_that_gather_are_gathers(field_cases: Path) -> None:
    analysis = analyzed(field_cases / "copy_engine_allgather")
    assert set(analysis.instances["collective"]) == {"all_gather"}
    assert per_step_and_rank(analysis) == {"forward": 2, "backward": 2}
    assert analysis.matching.matched == analysis.matching.instances == 8


def test_replays_of_a_graph_are_matched_by_step_and_number(field_cases: Path) -> None:
    matching = analyzed(field_cases / "graph_annotated_window").matching
    assert (matching.matched, matching.instances, matching.refused) == (12, 16, 0)


def test_kernels_of_a_graph_get_advice_that_fits_them(field_cases: Path) -> None:
    run = field_cases / "graph_plain"
    assert "record_shapes" not in said("analyze", run)[1]
    told = said("doctor", run)[1]
    assert ("record_shapes" in told, "forward only" in told) == (False, False)
    assert "phases cannot be told on ranks 0, 1" in told


def test_messages_of_a_pipeline_pair_by_their_order(field_cases: Path) -> None:
    matching = analyzed(field_cases / "p2p_global_peer").matching
    assert (matching.matched, matching.instances) == (18, 18)


def test_waits_are_not_told_where_most_members_are_missing(field_cases: Path) -> None:
    run = field_cases / "partial_group_2of8"
    analysis = analyzed(run)
    assert analysis.instances[["wait_ns", "transfer_ns"]].isna().all().all()
    assert not analysis.instances.get("busbw_gbps", analysis.instances["wait_ns"]).notna().any()
    told = headline(run)
    assert "waiting not told from transfer" in told
    assert "Held back by no single cause" in told
    assert "may be waiting for other ranks" in told
    assert "not compute" not in told


def test_the_sentence_names_gathers_that_are_no_longer_hidden(field_cases: Path) -> None:
    told = said("compare", field_cases / "fsdp_good", field_cases / "fsdp_bad")[1]
    assert (
        "all_gather exposed 2.00 ms → 21.0 ms (one takes 2.00 ms → 3.50 ms), overlapped 10.0 ms → 0 ns"
        in told
    )


def test_what_serves_as_baseline_may_have_an_empty_tail(field_cases: Path, tmp_path: Path) -> None:
    """One step and three of the same program, with and without the empty tail, pass against each other."""
    for name in ("tail_ref", "tail_step_1", "tail_step_3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run").symlink_to(field_cases / name)
    for name in ("tail_ref", "tail_step_3"):
        base = tmp_path / f"base-{name}"
        assert said("check", tmp_path / name / "run", "--baseline", base, "--update-baseline")[0] == 0
        for other in ("tail_ref", "tail_step_1", "tail_step_3"):
            assert said("check", tmp_path / other / "run", "--baseline", base)[0] == 0, (name, other)


@pytest.mark.parametrize(
    "case",
    ["tail_ref", "horovod", "vllm_custom_ar", "xpu_xccl", "moe_uneven_alltoall", "copy_engine_allgather"],
)
def test_a_device_that_waits_for_launches_is_held_back_by_the_host(field_cases: Path, case: str) -> None:
    """Every kernel of these begins 10 us behind its launch, and the device is idle in between."""
    assert "Held back by the host: " in headline(field_cases / case)


CASES = (
    "fsdp_bad", "graph_annotated_window", "graph_plain", "horovod", "moe_uneven_alltoall", "nccl_cpu_only",
    "partial_group_2of8", "tail_ref", "tail_step_3", "vllm_custom_ar", "xpu_xccl",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_phase_is_not_present_only_where_all_work_has_one(field_cases: Path, case: str) -> None:
    says_so = "Not present" in headline(field_cases / case)
    assert not says_so or all_work_has_a_phase(field_cases / case)


def all_work_has_a_phase(folder: Path) -> bool:
    run = open_run(folder)
    told = [attribute(read_rank(part, run.info))[0] for part in run.parts]
    return all(bool((one.phase[one.busy != Busy.NOT] >= 0).all()) for one in told)
