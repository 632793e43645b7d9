"""The doctor names what is missing, what it costs and what to do, and says what is fine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commscope.readers import open_run, read_rank
from commscope.readers.doctor.diagnose import Finding, as_json, examine
from tests.readers.chrome_files import kernel, op, text_of, write

RECORD = {
    "Collective_name": "allreduce", "In_msg_nelems": 8, "Out_msg_nelems": 8, "dtype": "Float", "Process_Group_Name": "0",
    "Process_Group_Ranks": "[0, 1]", "Group_size": 2,
}  # fmt: skip
HEALTHY = [
    op("ProfilerStep#4", 0, 100, cat="user_annotation"),
    op("autograd::engine::evaluate_function: MulBackward0", 1, 30),
    op("record_param_comms", 2, 4, External_id=3, **RECORD),
    op("cudaLaunchKernel", 3, 1, cat="cuda_runtime", correlation=9, External_id=3),
    kernel("ncclDevKernel_AllReduce_Sum_f32_RING_LL()", 10, 5, stream=20, correlation=9, External_id=3),
    op("cudaLaunchKernel", 5, 1, cat="cuda_runtime", correlation=10),
    kernel("gemm", 12, 9, correlation=10),
]


def findings(
    folder: Path, *ranks: list[dict[str, object]], rank_of: tuple[int, ...] = (0, 1)
) -> dict[str, Finding]:
    """What the doctor says of these ranks."""
    for rank, events in zip(rank_of, ranks, strict=False):
        write(folder, text_of(events, rank=rank, host_name="n1"), f"rank{rank}.json")
    run = open_run(folder)
    found = examine(run, (read_rank(part, run.info) for part in run.parts))
    assert json.loads(json.dumps(as_json(run, found)))["schema"] == "commscope.doctor/1"
    return {finding.code: finding for finding in found}


def test_a_healthy_run_is_fine(tmp_path: Path) -> None:
    found = findings(tmp_path, HEALTHY, HEALTHY)
    assert {code for code, finding in found.items() if finding.level != "fine"} == {"generation"}
    assert "2.4 to 2.11" in found["generation"].message
    assert found["launches"].facts == {"kernels": 4, "launched": 4, "share": 1.0}
    assert found["metadata"].facts["time_share"] == 1.0


def test_a_missing_rank_is_serious_and_named(tmp_path: Path) -> None:
    found = findings(tmp_path, HEALTHY, rank_of=(1,))
    assert (found["ranks_missing"].level, found["ranks_missing"].ranks) == ("serious", (0,))


@pytest.mark.parametrize(
    ("without", "code"),
    [
        (("ProfilerStep",), "no_steps"),
        (("autograd",), "no_phases"),
        (("cudaLaunch",), "launches_missing"),
        (("record_param_comms",), "metadata_missing"),
        (("ncclDev", "record"), "communication"),
    ],
)
def test_what_is_missing_is_found(tmp_path: Path, without: tuple[str, ...], code: str) -> None:
    events = [event for event in HEALTHY if not str(event["name"]).startswith(without)]
    found = findings(tmp_path, events, events)
    assert code in found
    assert found[code].level in {"warn", "info"}


def test_uneven_counts_and_steps_are_told_by_kind(tmp_path: Path) -> None:
    more = [
        *HEALTHY,
        op("record_param_comms", 50, 1, **RECORD),
        op("ProfilerStep#5", 100, 9, cat="user_annotation"),
    ]
    found = findings(tmp_path, HEALTHY, more)
    assert "allreduce 1 or 2" in found["counts_differ"].message
    assert "steps_differ" in found


def test_steps_the_program_marked_itself_are_steps(tmp_path: Path) -> None:
    events = [event for event in HEALTHY if not str(event["name"]).startswith("ProfilerStep")]
    marks = [op(f"train_step {number}", 50 * number, 40, cat="user_annotation") for number in (2, 10)]
    found = findings(tmp_path, [*events, *marks], [*events, *marks])
    assert found["steps"].facts["steps"]["0"] == ["train_step 2", "train_step 10"]


def test_waits_of_records_are_not_counted_as_collectives(tmp_path: Path) -> None:
    wait = op("record_param_comms", 60, 1, **{**RECORD, "Collective_name": "wait", "In_msg_nelems": 0})
    assert "counts" in findings(tmp_path, HEALTHY, [*HEALTHY, wait])


def test_captures_that_never_overlap_are_serious(tmp_path: Path) -> None:
    later = [{**event, "ts": event["ts"] + 1000} for event in HEALTHY]
    assert findings(tmp_path, HEALTHY, later)["no_common_time"].level == "serious"


def test_stamps_out_of_order_are_measured(tmp_path: Path) -> None:
    early = [
        *HEALTHY,
        op("cudaLaunchKernel", 40, 1, cat="cuda_runtime", correlation=11),
        kernel("k", 37.5, 1, correlation=11),
        kernel("l", 38, 2),
    ]
    found = findings(tmp_path, early, HEALTHY)["order_broken"]
    assert found.facts == {
        "kernels_before_launch": 1,
        "largest_ns": 2500,
        "kernels_overlapping_on_a_stream": 1,
    }
    assert found.ranks == (0,)


def test_kernels_that_only_overlap_on_their_stream_are_no_broken_order(tmp_path: Path) -> None:
    found = findings(tmp_path, [*HEALTHY, kernel("k", 50, 5), kernel("l", 53, 5)], HEALTHY)
    assert (found["kernels_overlap"].level, found["kernels_overlap"].ranks) == ("info", (0,))
    assert "order_broken" not in found


def test_a_capture_of_forward_only_is_said_to_be_one(tmp_path: Path) -> None:
    forward = [event for event in HEALTHY if not str(event["name"]).startswith("autograd")]
    forward.append(op("aten::mm", 1, 2))
    found = findings(tmp_path, forward, forward)
    assert (found["no_backward"].level, found["no_backward"].ranks) == ("info", (0, 1))
    assert not {"no_phases", "phases"} & set(found)


@pytest.mark.parametrize("node", ["MmBackward", "struct torch::autograd::AccumulateGrad", "train/backward"])
def test_backward_is_seen_as_old_and_new_releases_write_it(tmp_path: Path, node: str) -> None:
    cat = "user_annotation" if "/" in node else "cpu_op"
    events = [event for event in HEALTHY if not str(event["name"]).startswith("autograd")]
    found = findings(tmp_path, [*events, op(node, 1, 3, cat=cat)], HEALTHY)
    assert found["phases"].level == "fine"


def test_ranges_around_collectives_that_ran_nothing_are_no_communication(tmp_path: Path) -> None:
    alone = [event for event in HEALTHY if "nccl" not in str(event["name"])]
    alone = [event for event in alone if event["name"] != "record_param_comms"]
    mark = op("nccl:all_reduce", 2, 4, cat="user_annotation")
    found = findings(tmp_path, [*alone, mark], [*alone, mark])
    assert found["communication"].message == "no communication was recorded"
    assert "metadata_missing" not in found


def test_a_communicating_kernel_of_any_name_counts(tmp_path: Path) -> None:
    more = [*HEALTHY, kernel("void some::ep::internode::combine<true, 8>(int4*)", 60, 5)]
    found = findings(tmp_path, more, HEALTHY)
    assert found["metadata_missing"].facts["collectives"] == 3


def test_damage_seen_by_the_reader_comes_through(tmp_path: Path) -> None:
    write(tmp_path, text_of(HEALTHY, rank=1)[:-200], "rank1.json")
    found = findings(tmp_path, HEALTHY, rank_of=(0,))
    assert found["reading"].level == "serious"
    assert found["truncated"].ranks == (1,)
    assert found["truncated"].hint


def test_our_own_ranges_count_as_metadata_on_gloo(tmp_path: Path) -> None:
    said = {"op": "sum", "role": "tp", "group": "tp", "size": 2, "dtype": "float32", "elements": 4, "seq": 1}
    events = [
        op("ProfilerStep#4", 0, 100, cat="user_annotation"),
        op("commscope:collective:all_reduce", 2, 4, cat="user_annotation", **said),
        op("gloo:all_reduce", 3, 9, cat="user_annotation", tid=8),
    ]
    found = findings(tmp_path, events, events)
    assert found["metadata"].facts["share"] == 1.0
    assert found["counts"].level == "fine"


def test_what_matching_can_stand_on_is_told(tmp_path: Path) -> None:
    found = findings(tmp_path, HEALTHY, HEALTHY)
    assert found["evidence"].message == "matching can stand on the place in 1 step that all ranks mark"
    assert found["evidence"].facts == {
        "group_and_sequence": False, "common_steps": 1, "clocks_read": 0, "comms_id": False, "messages": 0,
        "messages_addressed": 0, "groups": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "said"), [({"Seq": 7}, "group and sequence number"), ({"Comms Id": "81"}, "Comms Id")]
)
def test_numbers_of_the_record_are_evidence_only_where_they_stand(
    tmp_path: Path, facts: dict[str, object], said: str
) -> None:
    told = [{**one, "args": {**one["args"], **facts}} if one["name"] == "record_param_comms" else one for one in HEALTHY]  # type: ignore[dict-item]  # fmt: skip
    assert said in findings(tmp_path, told, told)["evidence"].message
    assert said not in findings(tmp_path, told, HEALTHY)["evidence"].message


@pytest.mark.parametrize(("concrete", "addressed"), [(["", "", "1", "0"], 2), ([], 0)])
def test_messages_are_ordered_by_channel_only_where_they_name_their_other_side(
    tmp_path: Path, concrete: list[str], addressed: int
) -> None:
    sends = [
        op("ProfilerStep#4", 0, 100, cat="user_annotation"),
        op("c10d::send", 2, 4, Input_Dims=[[[8]], [], [], []], Concrete_Inputs=concrete),
        op("gloo:send", 3, 2, cat="user_annotation", tid=8),
    ]
    found = findings(tmp_path, sends, sends)["evidence"]
    assert found.facts["messages_addressed"] == addressed
    assert ("order of messages on channels" in found.message) == bool(addressed)


def test_without_steps_and_metadata_the_evidence_is_thin(tmp_path: Path) -> None:
    bare = [event for event in HEALTHY if not str(event["name"]).startswith(("ProfilerStep", "record_param"))]
    assert findings(tmp_path, bare, bare)["evidence_thin"].level == "warn"


def test_one_rank_has_nothing_to_match(tmp_path: Path) -> None:
    assert not {"evidence", "evidence_thin"} & set(findings(tmp_path, HEALTHY, rank_of=(0,)))
