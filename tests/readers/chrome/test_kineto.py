"""Kineto JSON of every generation: what the columns hold is what was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.readers.chrome import split as jsonsplit
from commscope.readers.chrome.decode import decode
from commscope.readers.files.blocks import Damage
from commscope.schema import NO_VALUE, EventKind, Source
from tests.readers.chrome_files import codes, kernel, names, op, read, text_of

EVENTS = [
    op("aten::mm", 10, 5, External_id=1, Sequence_number=3, Fwd_thread_id=0),
    op("cudaLaunchKernel", 11, 1, cat="cuda_runtime", correlation=70, External_id=1),
    kernel("gemm", 20, 4.25, correlation=70, External_id=1),
    kernel("Memcpy HtoD", 26, 2, cat="gpu_memcpy", correlation=71, bytes=4096),
    kernel("Memset (Device)", 28.5, 0, cat="gpu_memset", bytes=64),
    kernel("## forward ##", 20, 9, cat="gpu_user_annotation"),
    op("ProfilerStep#3", 5, 40, cat="user_annotation"),
    op("train.py(3): step", 5, 40, cat="python_function"),
    op("cuLaunchKernel", 12, 1, cat="cuda_driver", correlation=72),
]


def test_columns_hold_what_was_written(tmp_path: Path) -> None:
    trace = read(tmp_path, text_of(EVENTS))
    events = trace.events
    assert names(trace)[:4] == ["ProfilerStep#3", "train.py(3): step", "aten::mm", "cudaLaunchKernel"]
    by_name = {name: row for row, name in enumerate(names(trace))}
    row = by_name["gemm"]
    assert (events.start_ns[row], events.end_ns[row]) == (20_000, 24_250)
    assert (events.correlation[row], events.external_id[row]) == (70, 1)
    lane = events.lanes[events.lane_id[row]]
    assert (lane.device, lane.stream) == (0, 7)
    assert events.sequence[by_name["aten::mm"]] == 3
    assert events.forward_thread[by_name["aten::mm"]] == 0
    assert events.size_bytes[by_name["Memcpy HtoD"]] == 4096
    assert events.sequence[row] == NO_VALUE
    kinds = {name: EventKind(events.kind[row]) for name, row in by_name.items()}
    assert kinds == {
        "aten::mm": EventKind.OP,
        "cudaLaunchKernel": EventKind.RUNTIME,
        "cuLaunchKernel": EventKind.RUNTIME,
        "gemm": EventKind.KERNEL,
        "Memcpy HtoD": EventKind.MEMCPY,
        "Memset (Device)": EventKind.MEMSET,
        "## forward ##": EventKind.DEVICE_ANNOTATION,
        "ProfilerStep#3": EventKind.ANNOTATION,
        "train.py(3): step": EventKind.PYTHON,
    }
    assert trace.source == Source.KINETO
    assert codes(trace) == []


def test_events_are_sorted_by_start_and_longer_first(tmp_path: Path) -> None:
    events = read(tmp_path, text_of([op("c", 3, 1), op("inner", 1, 1), op("outer", 1, 9)])).events
    assert [events.name(row) for row in range(3)] == ["outer", "inner", "c"]


def test_a_bare_list_with_old_categories_reads(tmp_path: Path) -> None:
    old = [
        op("aten::add", 1606911006433250, 10, cat="Operator", tid="3340707648"),
        op("cudaLaunchKernel", 1606911006433255, 2, cat="Runtime", tid="3340707648", correlation=5),
        {"ph": "X", "cat": "Kernel", "name": "add", "pid": 0, "tid": "stream 7", "ts": 1606911006433260, "dur": 4,
         "args": {"device": 0, "stream": 7, "correlation": 5, "external id": 52}},
    ]  # fmt: skip
    events = read(tmp_path, json.dumps(old).encode()).events
    assert [EventKind(kind) for kind in events.kind] == [EventKind.OP, EventKind.RUNTIME, EventKind.KERNEL]
    assert events.start_ns[0] == 1606911006433250_000
    assert events.external_id[2] == 52


@pytest.mark.parametrize(
    "written",
    [
        "1711964646123456.789",
        "1712195495505582.988",
        "1712195495505583.012",
        "8796093022208.001",
        "4458676524595.135",
        "0.001",
        "-3.5",
    ],
)
def test_times_are_exact_to_the_nanosecond(tmp_path: Path, written: str) -> None:
    text = text_of([op("a", 111222333, 1.001)]).replace(b"111222333", written.encode())
    events = read(tmp_path, text).events
    whole, _, fraction = written.partition(".")
    sign = -1 if whole.startswith("-") else 1
    assert events.start_ns[0] == int(whole) * 1000 + sign * int(fraction.ljust(3, "0"))
    assert events.end_ns[0] - events.start_ns[0] == 1001


def test_a_stamp_no_decimal_can_hold_leaves_the_others_exact(tmp_path: Path) -> None:
    text = text_of([op("a", 111, 1), op("b", 222, 1)])
    text = text.replace(b"111", b"1712195495505582.988").replace(b"222", b"1e-4001712195495505582")
    events = read(tmp_path, text).events
    assert sorted(events.start_ns.tolist()) == [0, 1712195495505582988]


def test_the_base_time_counts_before_and_after_the_events(tmp_path: Path) -> None:
    base = 1_711_964_646_000_000_000
    after = read(tmp_path, text_of([op("a", 2, 1)], baseTimeNanoseconds=base))
    before = json.dumps({"baseTimeNanoseconds": str(base), "traceEvents": [op("a", 2, 1)]}).encode()
    assert after.events.start_ns[0] == read(tmp_path, before).events.start_ns[0] == base + 2000


def test_correlation_written_as_external_id_links_nothing(tmp_path: Path) -> None:
    events = read(
        tmp_path,
        text_of([op("aten::mm", 0, 9, External_id=1), op("cudaLaunchKernel", 3, 1, cat="cuda_runtime", correlation=500, External_id=500)]),
    ).events  # fmt: skip
    assert list(events.external_id) == [1, NO_VALUE]


def test_equal_ids_inside_the_op_are_a_true_link(tmp_path: Path) -> None:
    events = read(
        tmp_path,
        text_of([op("aten::mm", 0, 9, External_id=5), op("cudaLaunchKernel", 3, 1, cat="cuda_runtime", correlation=5, External_id=5)]),
    ).events  # fmt: skip
    assert list(events.external_id) == [5, 5]


def test_groups_world_and_devices_come_from_the_top_level(tmp_path: Path) -> None:
    info = {
        "backend": "nccl", "rank": 1, "world_size": 40, "nccl_version": "2.21.5",
        "pg_config": [{"pg_name": "0", "pg_desc": "default_pg", "pg_size": 40, "ranks": str(list(range(40)))},
                      {"pg_name": "3", "pg_desc": "tp", "pg_size": 2, "ranks": [1, 0]},
                      {"pg_name": "4", "pg_desc": "world again", "pg_size": 40, "ranks": "[0, 1, 2, ...]"}],
    }  # fmt: skip
    cut = str(list(range(30)))[:-1] + ", ...]"
    comms = op("record_param_comms", 1, 1, Collective_name="allreduce", dtype="Float", In_msg_nelems=4, Out_msg_nelems=4,
               Process_Group_Name="0", Process_Group_Ranks=cut, Group_size=40, Comms_Id=18446744073709551999)  # fmt: skip
    text = json.dumps({"deviceProperties": [{"id": 0, "name": "H100"}], "host_name": "n1", "traceEvents": [comms],
                       "distributedInfo": info}).encode()  # fmt: skip
    trace = read(tmp_path, text)
    assert (trace.rank, trace.world_size, trace.backend, trace.host) == (1, 40, "nccl", "n1")
    assert [group.ranks for group in trace.groups] == [tuple(range(40)), (1, 0), tuple(range(40))]
    facts = trace.events.facts(0)
    assert facts is not None
    assert facts.group_ranks == tuple(range(40))
    assert facts.comms_id == "18446744073709551999"
    assert trace.devices == ("H100",)
    assert trace.versions["nccl"] == "2.21.5"


def test_allocator_records_and_synchronisations_are_kept(tmp_path: Path) -> None:
    memory = {"ph": "i", "s": "t", "name": "[memory]", "pid": 7, "tid": 7, "ts": 5,
              "args": {"Total Allocated": 12, "Device Id": 0, "Device Type": 1}}  # fmt: skip
    host = {**memory, "ts": 4, "args": {"Total Allocated": 3, "Device Id": -1, "Device Type": 0}}
    sync = kernel("Stream Wait Event", 8, 1, cat="cuda_sync", stream=20)
    sync["args"] |= {"wait_on_stream": 7, "wait_on_cuda_event_record_corr_id": 99}
    trace = read(tmp_path, text_of([sync, op("first", 1, 1), memory, host]))
    assert [(m.time_ns, m.device, m.total_bytes) for m in trace.memory] == [(4000, -1, 3), (5000, 0, 12)]
    (found,) = trace.syncs
    assert (found.event, found.stream, found.wait_on_stream, found.wait_on_correlation) == (1, 20, 7, 99)


def test_amd_is_told_as_rccl(tmp_path: Path) -> None:
    assert read(tmp_path, text_of([op("a", 1, 1)], hip_runtime_version=60)).backend == "rccl"


def test_threads_get_their_names(tmp_path: Path) -> None:
    label = {
        "ph": "M",
        "name": "thread_name",
        "pid": 7,
        "tid": 7,
        "ts": 0,
        "args": {"name": "thread 7 (pt_autograd_0) "},
    }
    events = read(tmp_path, text_of([op("a", 1, 1), label])).events
    assert events.lanes[0].label == "thread 7 (pt_autograd_0)"


def _signature(text: bytes, sizes: list[int]) -> list[tuple[int, int, str, int]]:
    """What comes of a text handed over in blocks of these sizes."""
    blocks, place = [], 0
    while place < len(text):
        size = sizes[len(blocks) % len(sizes)]
        blocks.append(text[place : place + size])
        place += size
    decoded = decode(iter(blocks))
    events = decoded.events
    assert decoded.counts["bad"] == decoded.counts["truncated"] == 0
    assert decoded.meta["traceName"] == "end"
    return [
        (int(events.start_ns[row]), int(events.end_ns[row]), events.name(row), int(events.correlation[row]))
        for row in range(len(events))
    ]


TRICKY = text_of(
    [
        op(
            'say "},{" twice',
            1,
            1,
            note='},\n{"ph": "X"',
            nested=[{"ph": "X", "cat": "cpu_op"}, {"a": [{"ph": 1}]}],
        ),
        *[op(f"n{number}", number, 2, correlation=number) for number in range(40)],
        op("tail", 99, 1, list=[{"x": 1}]),
    ],
    deviceProperties=[{"id": 0, "name": "A", "list": [{"ph": 1}]}, {"id": 1, "name": "B"}],
    other={"pg": [{"ph": "X"}], "after": 1},
    traceName="end",
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=5), st.integers(1, 2000))
def test_where_the_text_is_cut_changes_nothing(sizes: list[int], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        whole = _signature(TRICKY, [len(TRICKY)])
        patch.setattr(jsonsplit, "CHUNK_BYTES", chunk)
        assert _signature(TRICKY, sizes) == whole
    assert len(whole) == 42


@settings(max_examples=40, deadline=None)
@given(st.permutations(EVENTS), st.sampled_from([None, 1, 4]))
def test_order_and_layout_of_the_text_change_nothing(
    order: list[dict[str, object]], indent: int | None
) -> None:
    def told(events: list[dict[str, object]], spaces: int | None) -> list[tuple[int, int, str, int]]:
        text = json.dumps({"traceEvents": events, "traceName": "end"}, indent=spaces).encode()
        return sorted(_signature(text, [97]))

    assert told(order, indent) == told(EVENTS, None)


def test_events_may_begin_with_any_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonsplit, "CHUNK_BYTES", 2000)
    monkeypatch.setattr("commscope.readers.files.blocks.BLOCK_BYTES", 500)
    events = [{"extra": number, **op(f"n{number}", number, 1)} for number in range(60)]
    trace = read(tmp_path, text_of(events))
    assert names(trace) == [f"n{number}" for number in range(60)]
    assert codes(trace) == []


def test_a_plain_and_a_compressed_file_read_the_same(tmp_path: Path) -> None:
    assert names(read(tmp_path, TRICKY)) == names(read(tmp_path, TRICKY, "rank0.json.gz"))


def test_damage_starts_clean() -> None:
    assert Damage() == Damage(False, False, False, 0)


def test_metadata_on_a_kernel_of_any_name_is_kept(tmp_path: Path) -> None:
    facts = read(
        tmp_path,
        text_of([kernel("my_copy_engine_gather", 1, 2, Collective_name="_allgather_base", Out_msg_nelems=8)]),
    ).events.facts(0)
    assert facts is not None
    assert (facts.collective, facts.out_elements) == ("_allgather_base", 8)
