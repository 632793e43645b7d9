"""Inputs made after public reports: what the host alone recorded, phases, and steps. What is right stands in their
README files.
"""

from __future__ import annotations

from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from commscope.analysis.result import Analysis
from commscope.cli.main import run
from commscope.engine import analyze
from commscope.readers import open_run


def analyzed(folder: Path) -> Analysis:
    return analyze(open_run(folder), jobs=1)


def said(*arguments: str | Path) -> tuple[int, str]:
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()):
        code = run([str(one) for one in arguments])
    return code, out.getvalue()


def per_step_and_rank(analysis: Analysis) -> dict[str, float]:
    steps = len(analysis.windows) - 1
    counts = Counter(str(phase) for phase in analysis.instances["phase"])
    return {phase: count / steps / len(analysis.ranks) for phase, count in counts.items()}


def test_calls_of_a_job_profiled_on_the_host_alone_are_listed(field_cases: Path) -> None:
    analysis = analyzed(field_cases / "nccl_cpu_only")
    assert per_step_and_rank(analysis) == {"forward": 2, "backward": 2}
    assert set(analysis.instances["payload_bytes"]) == {2 << 20}
    assert (analysis.matching.matched, analysis.matching.instances) == (8, 8)
    assert analysis.matching.method == "group_seq"
    assert analysis.instances["wait_ns"].isna().all()
    code, text = said("analyze", field_cases / "nccl_cpu_only")
    assert (code, "No communication" in text, "Not present" in text) == (0, False, False)
    assert "16 of 16 collectives carry metadata" in said("doctor", field_cases / "nccl_cpu_only")[1]


def test_a_check_sees_more_calls_than_its_baseline(field_cases: Path, tmp_path: Path) -> None:
    for name, source in (("old", "nccl_cpu_only"), ("new", "nccl_cpu_only_more_collectives")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run").symlink_to(field_cases / source)
    base = tmp_path / "base"
    assert said("check", tmp_path / "old" / "run", "--baseline", base, "--update-baseline")[0] == 0
    assert said("check", tmp_path / "old" / "run", "--baseline", base)[0] == 0
    assert said("check", tmp_path / "new" / "run", "--baseline", base)[0] == 1


def test_collectives_that_copy_engines_carry_out_are_communication_to_the_doctor(field_cases: Path) -> None:
    assert "no communication" not in said("doctor", field_cases / "copy_engine_allgather")[1].lower()


def test_a_step_inside_a_cuda_graph_has_no_phases_to_tell(field_cases: Path) -> None:
    text = said("analyze", field_cases / "graph_plain")[1]
    assert "Phases: cannot be told: kernels of a CUDA graph" in text
    assert "Not present" not in text


def test_what_a_thread_without_operators_launches_belongs_to_what_runs_meanwhile(field_cases: Path) -> None:
    assert per_step_and_rank(analyzed(field_cases / "horovod")) == {"forward": 2, "backward": 2}


@pytest.mark.parametrize(("case", "steps"), [("tail_ref", 1), ("tail_step_1", 1), ("tail_step_3", 3)])
def test_the_empty_step_behind_the_last_is_none(field_cases: Path, case: str, steps: int) -> None:
    analysis = analyzed(field_cases / case)
    assert [one.step for one in analysis.windows[1:]] == list(range(steps))
    marked = analysis.windows[1:]
    assert sum(one.span_ns for one in marked) == marked[-1].end_ns - marked[0].start_ns
    assert [path.length_ns for path in analysis.critical_paths[1:]] == [one.span_ns for one in marked]


def test_an_empty_step_more_makes_no_difference(field_cases: Path) -> None:
    code, text = said("compare", field_cases / "tail_ref", field_cases / "tail_step_1")
    assert code == 0
    assert "Wire bytes are the same (8.00 MiB per rank and step)" in text
    assert "fewer" not in text


def test_half_of_the_messages_of_a_pipeline_carry_gradients(real_traces: Path) -> None:
    table = analyzed(real_traces / "gloo" / "oth_pp").instances
    counts = Counter(zip(table["collective"], table["phase"], strict=True))
    assert counts == {
        ("send", "forward"): 8, ("recv", "forward"): 8, ("send", "backward"): 8, ("recv", "backward"): 8
    }  # fmt: skip


def test_messages_of_ring_attention_are_not_taken_for_a_pipelines(real_traces: Path) -> None:
    table = analyzed(real_traces / "gloo" / "picotron_cp2").instances
    messages = table[table["is_p2p"]]
    for phase in ("forward", "backward"):
        kinds = set(messages[messages["phase"] == phase]["collective"])
        assert kinds == {"send", "recv"}, phase


def test_a_custom_all_reduce_is_sized_by_the_operator_around_it(field_cases: Path) -> None:
    analysis = analyzed(field_cases / "vllm_custom_ar")
    assert set(analysis.instances["payload_bytes"]) == {1 << 20}
    assert set(analysis.instances["group"]) == {"tp:0"}
    for command in ("analyze", "doctor"):
        text = said(command, field_cases / "vllm_custom_ar")[1]
        assert ("record_shapes" in text, "2.4" in text) == (False, False)


def test_a_record_closed_before_the_launch_speaks_for_its_operator(field_cases: Path) -> None:
    analysis = analyzed(field_cases / "xpu_xccl")
    assert set(analysis.instances["payload_bytes"]) == {2 << 20}
    assert (set(analysis.instances["group"]), analysis.run.backend) == ({"0"}, "xccl")
    assert (analysis.matching.matched, analysis.matching.method) == (8, "group_seq")
    assert "16 of 16 collectives carry metadata" in said("doctor", field_cases / "xpu_xccl")[1]
