from __future__ import annotations

import pandas as pd

from commscope.analysis.rank import analyze_rank
from commscope.schema import INSTANCE_COLUMNS, EventKind
from commscope.trace import CommFacts, Lane, ProcessGroup, RankTrace
from tests.build import Row, build, trace_of

MAIN, STREAM = Lane("1", "main"), Lane("0", "stream 20", device=0, stream=20)


def table(trace: RankTrace) -> pd.DataFrame:
    return analyze_rank(trace).instances


def launched(kernel: str, kernel_facts: CommFacts | None, *around: tuple[str, CommFacts | None]) -> RankTrace:
    """One kernel, its launch, and operators or marks around the launch, outermost first."""
    rows = [
        Row(
            0 + i,
            100 - i,
            _kind(name),
            name,
            MAIN,
            external_id=7 if i == len(around) - 1 else -1,
            facts=facts,
        )
        for i, (name, facts) in enumerate(around)
    ]
    rows.append(Row(40, 50, EventKind.RUNTIME, "cudaLaunchKernelExC", MAIN, correlation=3, external_id=7))
    rows.append(Row(200, 300, EventKind.KERNEL, kernel, STREAM, correlation=3, facts=kernel_facts))
    return trace_of(rows, backend="nccl", world_size=2)


def _kind(name: str) -> EventKind:
    return EventKind.ANNOTATION if name.startswith(("nccl:", "commscope:")) else EventKind.OP


def test_columns_and_dtypes_are_those_of_the_schema():
    for trace in (*build("r0: all_reduce 10-20"), *build("r0: compute 0-5", style="gloo")):
        found = table(trace)
        assert {name: str(dtype) for name, dtype in found.dtypes.items()} == INSTANCE_COLUMNS


def test_facts_on_the_kernel_come_first():
    facts = CommFacts(collective="_reduce_scatter_base", in_elements=8, out_elements=4, dtype="bfloat16", group="5",
                      group_size=2, seq=9, comms_id="77")  # fmt: skip
    row = table(launched("ncclDevKernel_SendRecv()", facts, ("c10d::allreduce_", None))).iloc[0]
    assert (row["collective"], row["evidence"]) == ("reduce_scatter", "kernel_metadata")
    assert (row["payload_bytes"], row["wire_bytes"], row["seq"], row["comms_id"]) == (16, 8, 9, "77")


def test_the_launching_operators_facts_tell_what_a_send_recv_kernel_is():
    for said, kind in {
        "all_to_all": "all_to_all",
        "_allgather_base": "all_gather",
        "allreduce": "all_reduce",
    }.items():
        facts = CommFacts(collective=said, in_elements=4, out_elements=4, dtype="float32")
        row = table(launched("ncclDevKernel_SendRecv()", None, ("record_param_comms", facts))).iloc[0]
        assert (row["collective"], row["evidence"]) == (kind, "launch_metadata")


def test_without_facts_operator_and_mark_tell_kind_size_and_dtype():
    shapes = CommFacts(shapes=((6,), (6,), (), ()), dtypes=("int64", "int64", "", ""))
    row = table(
        launched(
            "ncclDevKernel_SendRecv()", None, ("c10d::alltoall_base_", shapes), ("nccl:all_to_all", None)
        )
    )
    assert row.iloc[0][["collective", "evidence", "dtype", "payload_bytes"]].tolist() == [
        "all_to_all", "annotation", "int64", 48,
    ]  # fmt: skip


def test_with_nothing_but_a_name_the_name_tells_and_sizes_are_absent():
    row = table(launched("ncclDevKernel_AllReduce_Sum_bf16_RING_LL()", None)).iloc[0]
    assert (row["collective"], row["evidence"], row["dtype"]) == ("all_reduce", "name", "bfloat16")
    assert row[["payload_bytes", "wire_bytes", "group_size"]].isna().all()


def test_a_kernel_of_any_name_communicates_where_its_facts_say_so():
    facts = CommFacts(
        collective="allreduce", in_elements=4, out_elements=4, dtype="float8_e4m3fn", group_size=4
    )
    row = table(launched("some_vendor_kernel", facts)).iloc[0]
    assert (row["payload_bytes"], row["wire_bytes"]) == (4, 6)


def test_wait_and_init_records_are_no_instances():
    for said in ("wait", "init"):
        rows = [
            Row(0, 10, EventKind.OP, "record_param_comms", MAIN, facts=CommFacts(collective=said, seq=1)),
            Row(2, 4, EventKind.RUNTIME, "cudaEventRecord", MAIN, correlation=1),
            Row(20, 30, EventKind.KERNEL, "gemm", STREAM),
        ]
        assert len(table(trace_of(rows, backend="nccl"))) == 0


def test_copies_of_a_collective_that_ran_no_kernel_are_one_instance():
    facts = CommFacts(
        collective="_allgather_base", in_elements=2, out_elements=8, dtype="float32", group_size=4
    )
    rows = [Row(0, 90, EventKind.OP, "record_param_comms", MAIN, facts=facts)]
    for i, (start, end) in enumerate([(100, 150), (140, 160)]):
        rows.append(Row(10 + i, 11 + i, EventKind.RUNTIME, "cudaMemcpyAsync", MAIN, correlation=i))
        rows.append(Row(start, end, EventKind.MEMCPY, "Memcpy PtoP", STREAM, correlation=i))
    analysis = analyze_rank(trace_of(rows, backend="nccl"))
    row = analysis.instances.iloc[0]
    assert len(analysis.instances) == 1
    assert (row["start_ns"], row["end_ns"], row["payload_bytes"]) == (100, 160, 32)
    assert analysis.breakdown[0].communication_ns == 60
    assert analysis.breakdown[0].copy_ns == 0


def test_a_communicator_of_one_rank_only_copies():
    facts = CommFacts(
        collective="_allgather_base", in_elements=2, out_elements=2, dtype="float32", group_size=1
    )
    rows = [
        Row(0, 90, EventKind.OP, "record_param_comms", MAIN, facts=facts),
        Row(10, 11, EventKind.RUNTIME, "cudaMemcpyAsync", MAIN, correlation=1),
        Row(100, 150, EventKind.MEMCPY, "Memcpy DtoD", STREAM, correlation=1),
    ]
    assert len(table(trace_of(rows, backend="nccl"))) == 0


def test_async_tensor_parallelism_gathers_by_copies_and_still_computes():
    shapes = CommFacts(shapes=((4, 8), (8, 16)), dtypes=("bfloat16", "bfloat16", ""), concrete=("", "", "tp"))
    rows = [Row(0, 90, EventKind.OP, "symm_mem::fused_all_gather_matmul", MAIN, facts=shapes)]
    for i, (kind, name) in enumerate([(EventKind.MEMCPY, "Memcpy PtoP"), (EventKind.KERNEL, "gemm")]):
        rows.append(Row(10 + i, 11 + i, EventKind.RUNTIME, "cudaLaunchKernel", MAIN, correlation=i))
        rows.append(Row(100 + 10 * i, 130, kind, name, STREAM, correlation=i))
    analysis = analyze_rank(trace_of(rows, backend="nccl", groups=(ProcessGroup("tp", "mesh_tp", (0, 1)),)))
    row = analysis.instances.iloc[0]
    assert row[["collective", "payload_bytes", "group", "role"]].tolist() == [
        "all_gather",
        4 * 8 * 2 * 2,
        "tp",
        "sp",
    ]
    assert analysis.breakdown[0].overlapped_ns == 20


def test_a_launch_on_a_thread_of_its_own_is_led_back_by_its_external_id():
    facts = CommFacts(collective="allreduce", in_elements=4, out_elements=4, dtype="float32", seq=3)
    rows = [
        Row(0, 90, EventKind.OP, "record_param_comms", MAIN, external_id=7, facts=facts),
        Row(10, 11, EventKind.RUNTIME, "hipLaunchKernel", Lane("1", "other"), correlation=1, external_id=7),
        Row(100, 150, EventKind.KERNEL, "ncclDevKernel_Generic_1()", STREAM, correlation=1),
    ]
    row = table(trace_of(rows, backend="rccl")).iloc[0]
    assert (row["collective"], row["seq"]) == ("all_reduce", 3)


def test_several_kernels_of_one_call_are_one_instance():
    facts = CommFacts(collective="all_to_allv", in_elements=8, out_elements=8, dtype="float32", group_size=2)
    rows = [Row(0, 90, EventKind.OP, "record_param_comms", MAIN, facts=facts)]
    for i, (start, end) in enumerate([(100, 150), (160, 180)]):
        rows.append(Row(10 + i, 11 + i, EventKind.RUNTIME, "cudaLaunchKernelExC", MAIN, correlation=i))
        rows.append(Row(start, end, EventKind.KERNEL, "ncclDevKernel_SendRecv()", STREAM, correlation=i))
    found = table(trace_of(rows, backend="nccl"))
    assert found[["start_ns", "end_ns", "payload_bytes"]].to_numpy().tolist() == [[100, 180, 32]]


def test_kernels_of_a_graph_launched_at_once_stay_apart():
    rows = [Row(10, 11, EventKind.RUNTIME, "cudaGraphLaunch", MAIN, correlation=1)]
    gather = "ncclDevKernel_AllGather_RING_LL()"
    rows += [Row(start, start + 10, EventKind.KERNEL, gather, STREAM, correlation=1) for start in (100, 200)]
    assert len(table(trace_of(rows, backend="nccl"))) == 2


def test_grouped_sends_and_receives_are_what_their_kernel_carries_out():
    def call(start: int, name: str, elements: int) -> Row:
        facts = CommFacts(shapes=((elements,), (), ()), dtypes=("bfloat16", "", ""))
        return Row(start, start + 5, EventKind.OP, name, MAIN, facts=facts)

    def kernel(launch: int, start: int, correlation: int) -> list[Row]:
        name = "ncclDevKernel_SendRecv()"
        return [
            Row(launch, launch + 2, EventKind.RUNTIME, "cudaLaunchKernelExC", MAIN, correlation=correlation),
            Row(start, start + 10, EventKind.KERNEL, name, STREAM, correlation=correlation),
        ]

    both = [call(0, "c10d::send", 8), call(10, "c10d::recv_", 16), *kernel(20, 100, 1)]
    only = [call(30, "c10d::send", 4), *kernel(40, 120, 2)]
    found = table(trace_of(both + only, backend="nccl"))
    assert found["collective"].tolist() == ["send_recv", "send"]
    assert found["payload_bytes"].tolist() == [32, 8]
    assert found["issue_ns"].tolist() == [0, 30]
