"""NCCL Inspector, NCCL's profiler plugin and the flight recorder: what they tell, to the byte and the microsecond."""

from __future__ import annotations

import json
import os
import pickle
import random
from pathlib import Path

import pytest

from commscope.analysis.result import Analysis
from commscope.engine import analyze
from commscope.errors import CommScopeError, UnreadableTrace
from commscope.readers import open_run
from commscope.readers.others.plain_pickle import NotPlain, plain_values
from commscope.report import render
from commscope.report.analysis_sections import analysis_sections
from tests.readers.others import logs


def analyzed(folder: Path) -> Analysis:
    return analyze(open_run(folder), jobs=1)


def waits_us(analysis: Analysis) -> dict[int, float]:
    by_rank = analysis.instances.groupby("rank")["wait_ns"].sum()
    return {int(rank): float(total) / 1_000 for rank, total in by_rank.items()}


def words(analysis: Analysis) -> str:
    return render.text(analysis_sections(analysis))


@pytest.mark.parametrize("marker", [False, True], ids=["v4.0", "v4.3"])
def test_waits_of_a_log_are_those_of_the_profiler(tmp_path: Path, marker: bool) -> None:
    log, trace = (
        analyzed(logs.inspector(tmp_path / "log", marker=marker)),
        analyzed(logs.kineto(tmp_path / "trace")),
    )
    assert log.matching.matched == trace.matching.matched == len(logs.CALLS)
    assert waits_us(log) == waits_us(trace) == logs.WAITS_US
    for column in ("collective", "payload_bytes", "wire_bytes", "transfer_ns", "culprit"):
        assert log.instances[column].tolist() == trace.instances[column].tolist(), column
    assert log.run.world_size == 2
    assert log.ranks == (0, 1)


def test_a_log_claims_nothing_of_compute(tmp_path: Path) -> None:
    analysis = analyzed(logs.inspector(tmp_path))
    assert analysis.breakdown == ()
    assert analysis.critical_paths == ()
    text = words(analysis)
    assert "Only communication was recorded: compute and idle time cannot be told." in text
    assert "idle" not in text.replace("idle time cannot be told", "")


def test_a_log_without_times_tells_counts_and_bytes_and_how_to_get_them(tmp_path: Path) -> None:
    analysis = analyzed(logs.inspector(tmp_path, verbose=False))
    assert analysis.matching.matched == len(logs.CALLS)
    assert analysis.instances["wait_ns"].isna().all()
    assert set(analysis.instances["payload_bytes"]) == {logs.BYTES}
    assert "NCCL_INSPECTOR_DUMP_VERBOSE=1" in words(analysis)


def test_a_process_that_drives_several_devices_is_several_ranks(tmp_path: Path) -> None:
    logs.inspector(tmp_path / "two")
    texts = [file.read_text() for file in sorted((tmp_path / "two").iterdir())]
    (tmp_path / "node01-pid4711.log").write_text("".join(texts))
    analysis = analyzed(tmp_path / "node01-pid4711.log")
    assert analysis.ranks == (0, 1)
    assert waits_us(analysis) == logs.WAITS_US


def test_communicators_smaller_than_the_world_get_their_members(tmp_path: Path) -> None:
    """Four processes, two communicators of two beside that of all: places become world ranks."""
    for rank in range(4):
        lines = []
        for name, place, size in (("0xa", rank, 4), (f"0xb{rank // 2}", rank % 2, 2)):
            header = {"id": name, "rank": place, "n_ranks": size, "nnodes": 1}
            perf = {"coll": "AllGather", "coll_sn": 1, "coll_msg_size_bytes": 100}
            lines.append({"header": header, "metadata": {"hostname": "n", "pid": rank}, "coll_perf": perf})
        (tmp_path / f"n-pid{90 - rank}.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    analysis = analyzed(tmp_path)
    assert {group.name: group.ranks for group in analysis.run.groups} == {
        "0xa": (0, 1, 2, 3), "0xb0": (0, 1), "0xb1": (2, 3)
    }  # fmt: skip
    assert sorted(set(analysis.instances["payload_bytes"])) == [200, 400]  # the shard times the members


def test_a_log_cut_in_the_middle_of_a_line_says_so(tmp_path: Path) -> None:
    logs.inspector(tmp_path)
    file = tmp_path / "node01-pid4711.log"
    file.write_bytes(file.read_bytes()[:-100])
    analysis = analyzed(tmp_path)
    assert len(analysis.instances) == 2 * len(logs.CALLS) - 1
    assert any(gap.code == "truncated" and gap.ranks == (0,) for gap in analysis.gaps)


def test_waits_of_the_plugin_are_those_of_the_profiler(tmp_path: Path) -> None:
    analysis = analyzed(logs.plugin(tmp_path))
    assert waits_us(analysis) == logs.WAITS_US
    assert set(analysis.instances["payload_bytes"]) == {logs.BYTES}
    assert analysis.breakdown == ()


def test_a_dump_tells_calls_groups_and_bytes(tmp_path: Path) -> None:
    calls = [("all_reduce", 1024), ("all_reduce", 2048), ("_allgather_base", 512)]
    analysis = analyzed(logs.dumps(tmp_path, calls))
    rows = analysis.instances[analysis.instances["rank"] == 0]
    assert rows["collective"].tolist() == ["all_reduce", "all_reduce", "all_gather"]
    assert rows["payload_bytes"].tolist() == [4096, 8192, 2048]
    assert analysis.matching.matched == 3
    assert analysis.instances["wait_ns"].isna().all()


def test_a_ring_that_was_overwritten_is_told(tmp_path: Path) -> None:
    analysis = analyzed(logs.dumps(tmp_path, [("all_reduce", 8)], overwritten=7))
    assert any("overwrote 7 earlier calls" in gap.message for gap in analysis.gaps)


def test_the_dump_of_a_real_job(field_cases: Path) -> None:
    """5 all_reduces of 1024 x n floats and an all_gather of 8 a rank, as its README says; pickle and JSON."""
    for name in ("nccl_trace_rank_0", "nccl_trace_rank_0.json"):
        rows = analyzed(field_cases / "flight_recorder" / name).instances
        assert rows["payload_bytes"].tolist() == [4096 * n for n in range(1, 6)] + [64]
        assert rows["collective"].tolist() == ["all_reduce"] * 5 + ["all_gather"]
    both = analyzed(field_cases / "flight_recorder")
    assert both.ranks == (0, 1)
    assert both.matching.matched == 6


def test_the_log_of_the_plugins_readme(field_cases: Path) -> None:
    analysis = analyzed(field_cases / "nccl_inspector")
    assert analysis.instances["payload_bytes"].tolist() == [17179869184] * 5
    assert analysis.missing_ranks == tuple(range(1, 8))


class _Runs:
    """What a hostile pickle would do when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_no_code_of_a_pickle_runs(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        content = pickle.dumps({"entries": [_Runs(trap)], "pg_config": {}}, protocol=protocol)
        with pytest.raises(NotPlain, match="no dump of plain values needs"):
            plain_values(content)
    (tmp_path / "nccl_trace_rank_0").write_bytes(content)
    with pytest.raises(UnreadableTrace, match="flight recorder"):
        analyzed(tmp_path / "nccl_trace_rank_0")
    assert not trap.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_of_every_protocol(protocol: int) -> None:
    said = {
        "a": [1, -1, 2**40, 2**70, 1.5, None, True, False, "é" * 300],
        "b": ((), (1,), (1, 2), (1, 2, 3, 4)),
    }
    shared = [said["a"], said["a"]]
    assert plain_values(pickle.dumps([said, shared, "text"], protocol=protocol)) == [said, shared, "text"]


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """`COMMSCOPE_MUTATIONS=20000` runs as many as the security page tells of."""
    chance = random.Random("others")
    seeds = {
        "nccl_trace_rank_0": pickle.dumps(logs.dump(0, [("all_reduce", 8), ("send 0->1", 4)]), protocol=2),
        "nccl_trace_rank_1": pickle.dumps(logs.dump(1, [("all_gather", 8)]), protocol=4),
        "nccl_trace_rank_0.json": json.dumps(logs.dump(0, [("all_reduce", 8)])).encode(),
        "node01-pid4711.log": (
            logs.inspector(tmp_path / "i", marker=True) / "node01-pid4711.log"
        ).read_bytes(),
        "nccl_rank0.json": (logs.plugin(tmp_path / "p") / "nccl_rank0.json").read_bytes(),
    }
    read = 0
    for _ in range(int(os.environ.get("COMMSCOPE_MUTATIONS", "150"))):
        name = chance.choice(sorted(seeds))
        file = tmp_path / name
        file.write_bytes(_mutated(seeds[name], chance))
        try:
            analyzed(file)
            read += 1
        except CommScopeError:
            continue
    assert read


def _mutated(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(data))
        how = chance.randrange(4)
        if how == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif how == 1:
            del data[at : at + chance.randrange(1, 40)]
        elif how == 2:
            data[at:at] = data[chance.randrange(len(data)) :][: chance.randrange(1, 40)]
        else:
            data[at : at + 1] = chance.randbytes(chance.randrange(1, 9))
        data = data or bytearray(b"{")
    return bytes(data)


def execution_trace(rank: int) -> dict[str, object]:
    """A graph of four calls as torch 2.13 observes them on gloo."""
    tensor = "GenericList[Tensor(float)]"
    config = '[{"pg_name": "0", "pg_desc": "default_pg", "ranks": [], "group_size": 2, "group_count": 1}]'
    calls: list[tuple[str, list[object], list[str]]] = [
        ("c10d::allreduce_", [[[1024]], [], []], [tensor, "Object", "Object"]),
        ("c10d::allgather_", [[[[8], [8]]], [[8]], []], [f"GenericList[{tensor}]", tensor, "Object"]),
        ("c10d::_allgather_base_", [[16], [8], []], ["Tensor(float)", "Tensor(float)", "Object"]),
    ]
    nodes: list[dict[str, object]] = [
        {"id": 3, "name": "## process_group:init ##", "ctrl_deps": 2, "inputs": {"values": [config]}}
    ]
    for n, (name, shapes, types) in enumerate(calls):
        inputs = {"values": ["<Object>"] * len(types), "shapes": shapes, "types": types}
        nodes.append({"id": 9 + n, "name": name, "ctrl_deps": 2, "inputs": inputs, "attrs": []})
    said = {"collective_name": "all_to_all", "in_msg_nelems": 64, "out_msg_nelems": 64, "dtype": "BFloat16",
            "pg_name": "0", "pg_size": 2}  # fmt: skip
    attrs = [{"name": name, "type": "string", "value": value} for name, value in said.items()]
    nodes.append({"id": 90, "name": "record_param_comms", "ctrl_deps": 2, "inputs": {}, "attrs": attrs})
    return {"schema": "1.1.1-chakra.0.0.4", "pid": rank, "time": "2026-11-27", "nodes": nodes}


def test_an_execution_trace_tells_calls_and_bytes_and_no_times(tmp_path: Path) -> None:
    for rank in (0, 1):
        (tmp_path / f"et_rank{rank}.json").write_text(json.dumps(execution_trace(rank)))
    analysis = analyzed(tmp_path)
    rows = analysis.instances[analysis.instances["rank"] == 0]
    assert rows["collective"].tolist() == ["all_reduce", "all_gather", "all_gather", "all_to_all"]
    assert rows["payload_bytes"].tolist() == [4096, 64, 64, 128]
    assert rows["wire_bytes"].tolist() == [4096, 32, 32, 64]
    assert analysis.instances["wait_ns"].isna().all()
    assert analysis.breakdown == ()


def test_a_graph_beside_a_trace_of_the_profiler_is_left_aside(tmp_path: Path) -> None:
    logs.kineto(tmp_path)
    (tmp_path / "et_rank0.json").write_text(json.dumps(execution_trace(0)))
    analysis = analyzed(tmp_path)
    assert waits_us(analysis) == logs.WAITS_US
    assert any(gap.code == "ignored_files" for gap in analysis.gaps)
