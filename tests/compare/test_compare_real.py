"""Comparisons of programs nobody here wrote, recorded on gloo; numbers from the README beside the traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from commscope.analysis.result import Analysis
from commscope.compare import Comparison, compare
from commscope.engine import analyze
from commscope.readers import open_run


def run(real_traces: Path, name: str) -> Analysis:
    return analyze(open_run(real_traces / "gloo" / name), jobs=1)


def counts(comparison: Comparison) -> dict[str, tuple[float | None, float | None]]:
    return {
        metric.metric.removeprefix("collective.count/"): (metric.baseline, metric.candidate)
        for metric in comparison.metrics
        if metric.metric.startswith("collective.count/") and metric.metric.count("/") == 2
    }


@pytest.fixture(scope="module")
def megatron(real_traces: Path) -> dict[str, Analysis]:
    return {name: run(real_traces, f"mcore0161_{name}") for name in ("tp2", "sp2", "sp2_full")}


def test_megatrons_tp_against_its_sp(megatron: dict[str, Analysis]) -> None:
    comparison = compare(megatron["tp2"], megatron["sp2"])
    assert counts(comparison) == {
        "all_reduce/forward": (8, 4),
        "all_reduce/backward": (5, 0),
        "all_reduce/other": (0, 1),
        "all_gather/forward": (0, 5),
        "all_gather/backward": (0, 10),
        "reduce_scatter/forward": (0, 4),
        "reduce_scatter/backward": (0, 5),
    }
    assert "5 inputs of column-parallel linears are gathered a second time" in comparison.verdict
    assert comparison.comparable
    assert "model" in comparison.unknown


def test_megatrons_full_recompute_gathers_and_scatters_once_more(megatron: dict[str, Analysis]) -> None:
    comparison = compare(megatron["sp2"], megatron["sp2_full"])
    assert {name: pair for name, pair in counts(comparison).items() if pair[0] != pair[1]} == {
        "all_gather/recompute": (0, 4),
        "reduce_scatter/recompute": (0, 4),
    }
    assert "all in recompute (all_gather 0 → 4, reduce_scatter 0 → 4)" in comparison.verdict


def test_dtensor_gathers_once(real_traces: Path) -> None:
    comparison = compare(run(real_traces, "dt_n2_tp"), run(real_traces, "dt_n2_sp"))
    found = counts(comparison)
    assert found["all_gather/backward"] == (0, 5)
    assert found["all_reduce/optimizer"] == (0, 30)
    assert "second time" not in comparison.verdict
