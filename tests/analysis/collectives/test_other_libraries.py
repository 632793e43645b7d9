"""Collectives of other libraries and backends: sizes from any operator around them, facts from a record inside."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from commscope.analysis.rank import analyze_rank
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.readers.names.communication import facts_of
from commscope.schema import EventKind
from commscope.trace import CommFacts, Lane, RankTrace
from tests.build import Row, trace_of

MAIN, STREAM = Lane("1", "main"), Lane("0", "stream 20", device=0, stream=20)
REDUCE = "void vllm::cross_device_reduce_1stage<__nv_bfloat16, 2>(int)"


def operator(name: str, dims: list[list[int]], said: list[str] | None = None) -> CommFacts | None:
    """Facts of an operator as the reader takes them from its arguments."""
    types = ["c10::BFloat16" if shape else "Scalar" for shape in dims]
    return facts_of(name, {"Input Dims": dims, "Input type": types, "Concrete Inputs": said or []})


def traced(kernel: str, *around: tuple[str, CommFacts | None], inside: tuple[Row, ...] = ()) -> RankTrace:
    rows = [Row(i, 100 - i, EventKind.OP, name, MAIN, facts=facts) for i, (name, facts) in enumerate(around)]
    rows += [*inside, Row(40, 50, EventKind.RUNTIME, "cudaLaunchKernel", MAIN, correlation=3)]
    return trace_of([*rows, Row(200, 300, EventKind.KERNEL, kernel, STREAM, correlation=3)], backend="nccl")


def only(trace: RankTrace) -> pd.Series:
    (row,) = (row for _, row in analyze_rank(trace).instances.iterrows())
    return row


def test_an_operator_of_another_library_tells_size_and_its_caller_the_group():
    inner = operator("_C_custom_ar::all_reduce", [[], [128, 4096], [128, 4096], [], []])
    outer = operator("vllm::all_reduce", [[128, 4096], []], ["", "tp:0"])
    row = only(traced(REDUCE, ("vllm::all_reduce", outer), ("_C_custom_ar::all_reduce", inner)))
    assert (row["payload_bytes"], row["dtype"]) == (128 * 4096 * 2, "bfloat16")
    assert (row["group"], row["role"]) == ("tp:0", "tp")


def test_one_tensor_of_a_gather_is_a_shard_and_two_do_not_tell_which_is_which():
    kernel = "void lib::all_gather_kernel<int>(int)"
    for dims in ([[4, 8]], [[4, 8], [8, 8]]):
        row = only(traced(kernel, ("lib::all_gather", operator("lib::all_gather", dims))))
        assert row["collective"] == "all_gather"
        assert pd.isna(row["payload_bytes"])  # nothing says of how many ranks


def test_an_operator_that_computes_around_it_tells_no_size():
    facts = operator("lib::fused_matmul_all_reduce", [[4, 8], [8, 8]])
    assert pd.isna(only(traced(REDUCE, ("lib::fused_matmul_all_reduce", facts)))["payload_bytes"])


RECORD = CommFacts(
    collective="allreduce", in_elements=64, out_elements=64, dtype="bfloat16", group="0", group_size=2, seq=7
)


def record(start: int) -> Row:
    return Row(start, start + 2, EventKind.OP, "record_param_comms", MAIN, facts=RECORD)


def test_a_record_closed_before_the_launch_speaks_for_its_operator():
    row = only(traced("oneccl_reduce_base<int>", ("c10d::allreduce_", None), inside=(record(10),)))
    assert (row["collective"], row["payload_bytes"], row["group"], row["seq"]) == ("all_reduce", 128, "0", 7)


def test_two_records_inside_one_operator_speak_for_nobody():
    made = traced("oneccl_reduce_base<int>", ("c10d::allreduce_", None), inside=(record(10), record(20)))
    assert pd.isna(only(made)["seq"])


def hints(trace: RankTrace) -> dict[str, str]:
    return {gap.code: gap.hint for gap in analyze_rank(trace).gaps}


def test_shapes_are_asked_for_only_where_they_would_help():
    plain = hints(traced("ncclDevKernel_AllReduce_Sum_f32_RING_LL()", ("c10d::allreduce_", None)))
    assert plain["sizes_missing"] == "profile with record_shapes=True"
    assert "torch 2.4" in plain["no_collective_metadata"]
    known = operator("lib::fused_matmul_all_reduce", [[4, 8], [8, 8]])
    other = hints(traced(REDUCE, ("lib::fused_matmul_all_reduce", known)))
    assert (other["sizes_missing"], other["no_collective_metadata"]) == ("", "")


@pytest.mark.parametrize(
    ("said", "name", "backend"),
    [
        ("cpu:gloo,xpu:xccl", "xccl:all_reduce", "xccl"),
        ("cpu:gloo,xpu:xccl", "oneccl_reduce_base<int>", "xccl"),
        ("cpu:gloo,xpu:xccl", "gloo:all_reduce", "gloo"),
        ("cpu:gloo,cuda:nccl", "gloo:all_reduce", "gloo"),
        ("cpu:gloo,cuda:nccl", "aten::mm", "nccl"),
        ("nccl", "gloo:all_reduce", "nccl"),
        ("", "nccl:all_reduce", "nccl"),
    ],
)
def test_the_backend_is_the_one_that_was_used(said: str, name: str, backend: str, tmp_path: Path):
    event = {"ph": "X", "cat": "user_annotation", "name": name, "pid": 1, "tid": 1, "ts": 1, "dur": 2}
    about = {"backend": said, "rank": 0, "world_size": 1}
    made = {"schemaVersion": 1, "distributedInfo": about, "traceEvents": [event]}
    (tmp_path / "rank0.json").write_text(json.dumps(made))
    assert analyze(open_run(tmp_path), jobs=1).run.backend == backend
