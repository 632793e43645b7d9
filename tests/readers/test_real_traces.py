"""Real traces of other people's programs give the numbers their publishers state, by a computation of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commscope.errors import UnreadableTrace
from commscope.readers import open_run, read_rank
from commscope.schema import EventKind
from commscope.trace import RankTrace

US = 1000


def covered_ns(rows: list[tuple[int, int]]) -> int:
    """Time covered by at least one interval, by walking them in order."""
    total, end = 0, -(2**62)
    for first, last in sorted(rows):
        total += max(0, last - max(first, end))
        end = max(end, last)
    return total


def device_times_ms(trace: RankTrace) -> tuple[float, float, float]:
    """Compute, communication and overlap of the kernels, communication told by name."""
    events = trace.events
    rows = np.flatnonzero(events.is_kind(EventKind.KERNEL)).tolist()
    spans = {row: (int(events.start_ns[row]), int(events.end_ns[row])) for row in rows}
    talk = [spans[row] for row in rows if events.name(row).startswith("nccl")]
    work = [spans[row] for row in rows if not events.name(row).startswith("nccl")]
    both = covered_ns(work) + covered_ns(talk) - covered_ns(work + talk)
    return covered_ns(work) / 1e6, covered_ns(talk) / 1e6, both / 1e6


def traces(path: Path) -> list[RankTrace]:
    """All ranks of a run."""
    run = open_run(path)
    return [read_rank(part, run.info) for part in run.parts]


def test_hta_ddp(real_traces: Path) -> None:
    (trace,) = traces(real_traces / "hta" / "nccl_data.json.gz")
    assert device_times_ms(trace) == pytest.approx((115.656, 46.876, 7.317), abs=0.001)
    nccl = [
        name
        for name in (trace.events.name(row) for row in range(len(trace.events)))
        if name.startswith("ncclKernel")
    ]
    assert len(nccl) == 21
    facts = [
        trace.events.facts(row) for row in np.flatnonzero(trace.events.is_kind(EventKind.KERNEL)).tolist()
    ]
    reduced = [fact for fact in facts if fact is not None and fact.collective == "allreduce"]
    assert len(reduced) == 15
    assert {fact.dtype for fact in reduced} == {"float32"}
    assert {fact.group_ranks for fact in reduced} == {(0, 1)}
    assert (trace.rank, trace.world_size, trace.backend) == (0, 2, "nccl")


def test_megatron_tp8(real_traces: Path) -> None:
    found = traces(real_traces / "megatron_tp8_a100")
    assert [trace.rank for trace in found] == list(range(8))
    times = [device_times_ms(trace) for trace in found]
    assert [round(time[1], 3) for time in times] == [
        241.191,
        481.306,
        413.325,
        472.390,
        495.240,
        490.928,
        263.846,
        481.865,
    ]
    assert [round(time[0], 3) for time in times] == [
        131.390,
        131.923,
        131.474,
        132.743,
        131.874,
        131.544,
        133.554,
        132.271,
    ]
    assert all(time[2] == 0 for time in times)
    for trace in found:
        records = [facts for facts in trace.events.comms if facts.seq is not None and facts.group_size == 8]
        assert {facts.shapes[0] for facts in records} >= {(2048, 4, 4096), (4, 2048)}


def test_dlrm(real_traces: Path) -> None:
    times = [device_times_ms(trace) for trace in traces(real_traces / "dlrm_8rank_v100")]
    assert [round(time[1], 3) for time in times] == [5.798, 11.336, 3.492, 9.774, 6.587, 6.251, 3.558, 1.746]
    assert [round(time[2], 3) for time in times] == [0.261, 0.280, 0.275, 0.324, 0.037, 0.040, 0.269, 0.166]


def test_torchrec_ranks_come_from_the_file_not_its_name(real_traces: Path) -> None:
    found = traces(real_traces / "torchrec_opt4_4rank")
    assert [trace.rank for trace in found] == [0, 1, 2, 3]
    expected = [
        (382.785, 211.506, 111.880),
        (382.955, 215.531, 115.187),
        (358.482, 105.683, 27.468),
        (381.758, 229.375, 116.306),
    ]
    for trace, times in zip(found, expected, strict=True):
        assert device_times_ms(trace) == pytest.approx(times, abs=0.001)


def test_nsys_two_devices(real_traces: Path) -> None:
    found = traces(real_traces / "nsys" / "mfu_2gpu_before.sqlite")
    times = [device_times_ms(trace) for trace in found]
    assert [round(time[0], 3) for time in times] == [253.691, 256.096]
    assert [round(time[1], 3) for time in times] == [17.173, 8.229]
    # Nothing overlaps: 17,172,652 + 8,229,100 ns; the 25.400 stated beside 17.173 and 8.229 is rounded.
    assert round(1e6 * sum(time[1] - time[2] for time in times)) == 25_401_752
    for trace in found:
        events = trace.events
        assert (
            sum(
                "SendRecv" in events.name(row)
                for row in np.flatnonzero(events.is_kind(EventKind.KERNEL)).tolist()
            )
            == 33
        )


def test_nsys_without_communication_and_with_autograd_ranges(real_traces: Path) -> None:
    assert [trace.backend for trace in traces(real_traces / "nsys" / "h100_2gpu_no_nccl.sqlite")] == [
        None,
        None,
    ]
    (trace,) = traces(real_traces / "nsys" / "small_opt_A100_emit_nvtx.sqlite")
    names = set(trace.events.names)
    assert {"forward pass", "aten::index", "autograd::engine::evaluate_function: MulBackward0"} <= names
    assert trace.events.sequence.max() > 0


def test_files_that_do_not_say_their_rank(real_traces: Path) -> None:
    run = open_run(real_traces / "hta" / "rank_not_found.json.gz")
    assert [gap.code for gap in run.gaps] == ["rank_unknown"]
    assert "--rank" in run.gaps[0].hint
    said = open_run(real_traces / "hta" / "rank_not_found.json.gz", ranks={"rank_not_found.json.gz": 5})
    assert ([part.rank for part in said.parts], said.gaps) == ([5], ())
    with pytest.raises(UnreadableTrace, match="rank of 2 files is not known"):
        open_run(real_traces / "hta")
    run = open_run(real_traces / "hta" / "cpu_only_rank34.json.gz")
    assert ([part.rank for part in run.parts], run.info.world_size) == ([34], 300)


def test_old_and_amd_files_read(real_traces: Path) -> None:
    (old,) = traces(real_traces / "kineto_2021")
    assert len(old.events) == 57974
    (amd,) = traces(real_traces / "tracelens")
    assert not amd.events.is_kind(EventKind.OP).any()
    assert amd.devices[0].startswith("AMD")


def test_gloo_runs_know_groups_and_shapes(real_traces: Path) -> None:
    for trace in traces(real_traces / "gloo" / "picotron_tp2_dp2"):
        assert trace.backend == "gloo"
        assert any(group.ranks == ((0, 2) if trace.rank % 2 == 0 else (1, 3)) for group in trace.groups)
    (first, _) = traces(real_traces / "gloo" / "colls")
    gathered = [
        first.events.facts(row)
        for row in range(len(first.events))
        if first.events.name(row) == "c10d::_allgather_base_"
    ]
    assert gathered[0] is not None
    assert gathered[0].shapes[:2] == ((2048,), (1024,))
    assert gathered[0].dtypes[:2] == ("bfloat16", "bfloat16")
    assert gathered[0].is_async is False


def test_no_real_file_loses_an_event(real_traces: Path) -> None:
    first_of_each = {path.parent: path for path in sorted(real_traces.rglob("*.json.gz"), reverse=True)}
    for path in first_of_each.values():
        run = open_run(path)
        trace = read_rank(run.parts[0], run.info)
        assert trace.read_counts["bad"] == trace.read_counts["truncated"] == 0, path
        assert [gap.code for gap in trace.gaps] == [], path
