"""Timelines of other frameworks: Ascend's trace_view and XLA's Chrome traces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commscope.analysis.result import Analysis
from commscope.engine import analyze
from commscope.errors import UnreadableTrace
from commscope.readers import open_run
from commscope.schema import CAPTURE


def analyzed(folder: Path) -> Analysis:
    return analyze(open_run(folder), jobs=1)


def test_ascend_as_its_readme_says(field_cases: Path) -> None:
    """Each step: 4 x 1 ms of MatMul, 4 x 0.7 ms of all_reduce of 1 Mi bfloat16."""
    analysis = analyzed(field_cases / "ascend_trace_view")
    assert analysis.ranks == (0, 1)
    rows = [row for row in analysis.breakdown if row.window == "step 0"]
    assert {row.compute_ns for row in rows} == {4_000_000}
    assert {row.exposed_ns for row in rows} == {2_800_000}
    assert set(analysis.instances["collective"]) == {"all_reduce"}
    assert set(analysis.instances["payload_bytes"]) == {2 << 20}
    assert analysis.matching.matched == 8


def test_jax_as_its_readme_says(field_cases: Path) -> None:
    """One process, 4 devices, 24 all-reduces: 6 of each device, tied by the run they belong to."""
    analysis = analyzed(field_cases / "jax_trace")
    assert analysis.ranks == (0, 1, 2, 3)
    assert len(analysis.instances) == 24
    assert analysis.matching.matched == analysis.matching.instances == 6
    assert analysis.instances["payload_bytes"].isna().all()
    assert all(row.compute_ns > 0 for row in analysis.breakdown if row.window == CAPTURE)


def test_devices_of_a_gpu_are_ranks_and_summaries_are_no_work(tmp_path: Path) -> None:
    def named(pid: int, tid: int | None, name: str) -> dict[str, object]:
        what = "process_name" if tid is None else "thread_name"
        return {"ph": "M", "pid": pid, "tid": tid or 0, "name": what, "args": {"name": name}}

    def ran(pid: int, tid: int, name: str, at: float, **args: object) -> dict[str, object]:
        return {"ph": "X", "pid": pid, "tid": tid, "ts": at, "dur": 10.0, "name": name, "args": args}

    events = [named(701, None, "/host:CPU")]
    for device in (0, 1):
        pid = device + 1
        events += [
            named(pid, None, f"/device:GPU:{device}"),
            named(pid, 1, "Stream #1(Compute)"),
            named(pid, 9, "XLA Modules"),
        ]
        events += [
            ran(pid, 1, "gemm", 0.0, hlo_op="dot.1", hlo_module="m"),
            ran(
                pid,
                1,
                "ncclDevKernel_AllReduce",
                20.0 + device,
                hlo_op="all-reduce.3",
                hlo_module="m",
                run_id="5",
            ),
            ran(pid, 9, "m", 0.0),
        ]
    path = tmp_path / "vm.trace.json"
    path.write_text(
        json.dumps({"displayTimeUnit": "ns", "metadata": {"highres-ticks": True}, "traceEvents": events})
    )
    analysis = analyzed(path)
    assert analysis.ranks == (0, 1)
    assert {row.compute_ns for row in analysis.breakdown} == {10_000}
    assert analysis.matching.matched == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"metadata":{"highres-ticks":true},"traceEvents":[]}', "JAX/XLA without operations"),
        ('[{"ph":"M","name":"process_name","pid":1,"args":{"name":"CANN"}}]', "Ascend without work"),
    ],
)
def test_one_that_holds_no_work_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "trace.json"
    path.write_text(text)
    with pytest.raises(UnreadableTrace, match=words):
        analyzed(path)
