"""Collectives of which only the host's call was recorded: counted, sized and matched, their times not told."""

from __future__ import annotations

from pathlib import Path

import pytest

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.report.analysis_sections import analysis_sections
from commscope.schema import EventKind
from commscope.trace import CommFacts, Lane, RankTrace, RunInfo
from tests.build import Row, build, trace_of

MAIN = Lane("1", "main")


def called(rank: int, calls: int, backend: str = "nccl") -> RankTrace:
    """One step: calls of all_reduce of 1 KiB, on the host alone; the kinds besides move nothing."""
    rows = [Row(0, 1000, EventKind.ANNOTATION, "ProfilerStep#0", MAIN)]
    kinds = [*(("allreduce", seq) for seq in range(1, calls + 1)), ("wait", 1), ("init", 1)]
    for place, (kind, seq) in enumerate(kinds):
        at = 10 + 20 * place + rank
        facts = CommFacts(kind, 256, 256, "float32", group="0", group_size=2, group_ranks=(0, 1), seq=seq)
        rows += [
            Row(at, at + 15, EventKind.OP, "c10d::allreduce_", MAIN),
            Row(at + 2, at + 12, EventKind.OP, "record_param_comms", MAIN, facts=facts),
        ]
    rows.append(Row(900, 950, EventKind.OP, "aten::mm", MAIN))
    return trace_of(rows, rank=rank, backend=backend, world_size=2)


def joined(*traces: RankTrace) -> Analysis:
    return join(RunInfo("run", Path("run")), [analyze_rank(one) for one in traces])


@pytest.mark.parametrize("backend", ["nccl", "hccl", "xccl"])
def test_calls_are_counted_sized_and_matched_by_group_and_number(backend: str) -> None:
    analysis = joined(called(0, 3, backend), called(1, 3, backend))
    assert analysis.instances["collective"].tolist() == ["all_reduce"] * 6
    assert analysis.instances["payload_bytes"].tolist() == [1024] * 6
    assert (analysis.matching.matched, analysis.matching.method) == (3, "group_seq")


@pytest.mark.parametrize("backend", ["nccl", "hccl", "xccl"])
def test_operators_without_any_record_are_calls_too(backend: str) -> None:
    """As torch before 2.2 wrote them, and as backends do that write no records."""
    shown = CommFacts(shapes=((256,),), dtypes=("float32",))
    rows = [Row(0, 1000, EventKind.ANNOTATION, "ProfilerStep#0", MAIN)]
    rows += [
        Row(10 + 20 * k, 25 + 20 * k, EventKind.OP, "c10d::allreduce_", MAIN, facts=shown) for k in range(3)
    ]
    rows.append(Row(900, 950, EventKind.OP, "aten::mm", MAIN))
    analysis = joined(*(trace_of(rows, rank=rank, backend=backend, world_size=2) for rank in (0, 1)))
    assert analysis.instances["collective"].tolist() == ["all_reduce"] * 6
    assert analysis.instances["payload_bytes"].tolist() == [1024] * 6
    assert analysis.instances["is_call_only"].all()
    assert analysis.clock is None
    assert {"times_missing", "no_device_events"} <= {gap.code for gap in analysis.gaps}


def test_ranges_of_the_backend_are_calls_where_nothing_else_speaks() -> None:
    """As HTA's traces of torch 1.12: records without facts, and `nccl:all_to_all` around the call."""
    rows = [Row(0, 1000, EventKind.ANNOTATION, "ProfilerStep#0", MAIN)]
    for k in range(3):
        at = 10 + 100 * k
        rows.append(Row(at, at + 40, EventKind.OP, "record_param_comms", MAIN))
        rows.append(Row(at + 5, at + 30, EventKind.ANNOTATION, "nccl:all_to_all", MAIN))
        rows.append(Row(at + 50, at + 60, EventKind.OP, "record_param_comms", MAIN))  # the wait
    instances = joined(trace_of(rows, backend="nccl", world_size=2)).instances
    assert instances["collective"].tolist() == ["all_to_all"] * 3
    assert instances["is_call_only"].all()
    assert instances["payload_bytes"].isna().all()


def test_their_times_are_not_told_and_tie_no_clock() -> None:
    analysis = joined(called(0, 3), called(1, 3))
    told = ["wait_ns", "transfer_ns", "lateness_ns", "culprit"]
    assert analysis.instances[told].isna().all().all()
    assert analysis.clock is None
    assert {"times_missing", "no_device_events"} <= {gap.code for gap in analysis.gaps}
    text = "\n".join(line for part in analysis_sections(analysis) for line in part.sentences)
    assert "Not present" not in text
    assert "No communication" not in text


def test_a_rank_with_times_beside_one_without_tells_no_wait() -> None:
    (timed,) = build("r0: all_reduce 10-30 seq=1 bytes=1024 group=0", groups={"0": (0, 1)})
    analysis = joined(timed, called(1, 1))
    assert analysis.matching.matched == 1
    assert analysis.instances["wait_ns"].isna().all()
    assert analysis.instances["is_call_only"].tolist() == [False, True]


def test_where_the_work_was_recorded_the_call_is_not_counted_again() -> None:
    (trace,) = build("r0: all_reduce 10-30")
    assert analyze_rank(trace).instances["is_call_only"].tolist() == [False]
