"""The product's question end to end: record TP and TP+SP, analyze, compare, and the acceptance behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commscope.cli.main import run
from commscope.theory.volume import step_volume
from commscope.trace import Layout, ModelShape
from tests.conftest import Demo

DEFAULT_MODEL = ModelShape("gpt", 2, 256, 1024, 8, 8, 1024, 128, 4)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The JSON a command prints."""
    capsys.readouterr()
    assert run([*arguments, "--format", "json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def metrics_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in document["metrics"]}


def test_the_demo_names_both_runs_in_its_verdict_and_leaves_two_whole_runs_and_a_report(demo: Demo) -> None:
    verdict = demo.stdout.splitlines()[0]
    assert "tp2-sp" in verdict
    assert "tp2 → tp2-sp: " in verdict
    recorded = [f"{name}-{turn}" for name in ("tp2", "tp2-sp") for turn in (1, 2, 3)]
    assert sorted(path.name for path in demo.folder.iterdir()) == ["comparison.html", *sorted(recorded)]
    for folder in (demo.baseline, demo.candidate):
        assert sorted(path.name for path in folder.iterdir()) == [
            "rank0.json.gz",
            "rank1.json.gz",
            "run.json",
        ]
    assert "next:" in demo.stderr


def test_tp_and_sp_move_what_megatron_moves(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    """8 + 5 all-reduces under TP; 6 all-gathers and 4 reduce-scatters a layer under Megatron's SP."""
    metrics = metrics_of(answer(capsys, "compare", str(demo.baseline), str(demo.candidate)))
    assert metrics["collective.count/all_reduce/forward"]["baseline"] == 8
    assert metrics["collective.count/all_reduce/backward"]["baseline"] == 5
    gathers = sum(
        metrics[f"collective.count/all_gather/{phase}"]["candidate"] for phase in ("forward", "backward")
    )
    scatters = sum(
        metrics[f"collective.count/reduce_scatter/{phase}"]["candidate"] for phase in ("forward", "backward")
    )
    layers, embedding_and_head = 2, 1 + 2
    assert gathers == 6 * layers + embedding_and_head
    assert scatters == 4 * layers + 1  # the head's
    assert metrics["collective.count/all_reduce/other"]["candidate"] == 1  # gradients of norms and biases


def test_wire_bytes_of_both_runs_are_what_paper_says(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    """P = 128 x 4 x 256 floats; TP: 4 AR of P a layer, 1 for embedding, 1 for head, 3 AR of s x b floats."""
    metrics = metrics_of(answer(capsys, "compare", str(demo.baseline), str(demo.candidate)))
    activation, tokens = 128 * 4 * 256 * 4, 128 * 4 * 4
    assert metrics["communication.wire_bytes"]["baseline"] == 10 * activation + 3 * tokens
    norm_gradients = (2 * 6 * 256 + 2 * 256) * 4
    halves = (
        (6 + 4) * 2 + 2 + 1 + 1
    )  # all-gathers and reduce-scatters of layers, head (AG, AG, RS), embedding
    expected = halves * activation // 2 + activation + 3 * tokens + norm_gradients
    assert metrics["communication.wire_bytes"]["candidate"] == expected


@pytest.mark.parametrize("name", ["tp2-1", "tp2-sp-1"])
def test_measured_rows_equal_the_closed_form_to_the_byte(
    name: str, demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    document = answer(capsys, "analyze", str(demo.folder / name))
    layout = Layout(tp=2, sp=name == "tp2-sp-1")
    expected: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for row in step_volume(layout, DEFAULT_MODEL):
        key = (row.phase, row.collective, row.role, str(row.payload_bytes))
        expected[key] = (row.count, row.total_payload_bytes, row.total_wire_bytes)
    steps = [window["name"] for window in document["windows"] if window["name"] != "capture"]
    assert len(steps) == 4
    for window in steps:
        for rank in (0, 1):
            rows = [row for row in document["collectives"] if (row["window"], row["rank"]) == (window, rank)]
            measured = {
                (row["phase"], row["collective"], row["role"], str(row["payload_bytes"])): (
                    row["count"],
                    row["total_payload_bytes"],
                    row["total_wire_bytes"],
                )
                for row in rows
            }
            assert measured == expected


def test_every_instance_is_matched_and_waits_and_transfers_sum_to_durations(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    document = answer(capsys, "analyze", str(demo.candidate))
    matching = document["matching"]
    assert matching["matched"] == matching["instances"] == 4 * 29
    assert matching["method"] == "group_seq"
    for row in document["collectives"]:
        assert row["wait_ns"] + row["transfer_ns"] == row["duration_ns"]


def test_the_partition_of_every_rank_and_window_is_exact(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    document = answer(capsys, "analyze", str(demo.baseline))
    assert len(document["breakdown"]) == 2 * (1 + 4)
    for row in document["breakdown"]:
        assert row["compute_ns"] + row["exposed_ns"] + row["copy_ns"] + row["idle_ns"] == row["span_ns"]
        assert row["overlapped_ns"] + row["exposed_ns"] == row["communication_ns"]
        assert row["exposed_wait_ns"] + row["exposed_transfer_ns"] == row["exposed_ns"]
    for path in document["critical_path"]:
        assert sum(path["by_kind_ns"].values()) == path["length_ns"]
        assert sum(path["by_rank_ns"].values()) == path["length_ns"]


def test_somebody_else_s_megatron_compares_without_our_ranges(
    real_traces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gloo = real_traces / "gloo"
    metrics = metrics_of(answer(capsys, "compare", str(gloo / "mcore0161_tp2"), str(gloo / "mcore0161_sp2")))
    counts = {
        "all_reduce/forward": (8, 4),
        "all_reduce/backward": (5, 0),
        "all_gather/forward": (0, 5),
        "all_gather/backward": (0, 10),
        "reduce_scatter/forward": (0, 4),
        "reduce_scatter/backward": (0, 5),
        "all_reduce/other": (0, 1),
    }
    for name, (baseline, candidate) in counts.items():
        row = metrics[f"collective.count/{name}"]
        assert (row["baseline"] or 0, row["candidate"] or 0) == (baseline, candidate)


def test_runs_of_different_size_exit_2_and_still_show_what_makes_sense(
    real_traces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gloo = real_traces / "gloo"
    arguments = ["compare", str(gloo / "mcore0161_tp2"), str(gloo / "picotron_tp2_dp2"), "--format", "json"]
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["comparable"] is False
    assert [line.split(":")[0] for line in captured.err.strip().splitlines()] == ["error", "where", "hint"]


def test_the_doctor_finds_nothing_wrong_with_what_we_record(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = answer(capsys, "doctor", str(demo.candidate))["findings"]
    assert [finding["code"] for finding in findings if finding["level"] in ("warn", "serious")] == []
    metadata = next(finding for finding in findings if finding["code"] == "metadata")
    assert metadata["facts"]["share"] == 1.0
