"""The exported timeline: nothing overlaps on a track, and its sums are the analysis' own."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.cli.main import run as command_line
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.report.perfetto import trace_document
from commscope.trace import RunInfo
from commscope.whatif import Scenario, replay
from tests.conftest import CHECKOUT
from tests.programs import Recipe, random_programs
from tests.simulate import World, simulate

PATH, REPLAY = 1_000_000, 2_000_000


def ns(us: float) -> int:
    return round(1_000 * us)


def slices(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in document["traceEvents"] if event["ph"] == "X"]


def check(document: dict[str, Any], analysis: Analysis) -> None:
    tracks: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for one in slices(document):
        tracks[one["pid"], one["tid"]].append((ns(one["ts"]), ns(one["ts"]) + ns(one["dur"])))
    for spans in tracks.values():
        spans.sort()
        assert all(after[0] >= before[1] for before, after in itertools.pairwise(spans))
    parts: dict[str, int] = defaultdict(int)
    seen = set()
    for one in slices(document):
        if "part" in one["args"]:
            parts[one["args"]["part"]] += ns(one["dur"])
            seen.add((one["pid"], one["args"].get("instance")))
    table = analysis.instances[analysis.instances["end_ns"] > analysis.instances["start_ns"]]
    assert parts["wait"] == table["wait_ns"].fillna(0).sum()
    assert parts["transfer"] == table["transfer_ns"].fillna(0).sum()
    matched = table[table["instance"].notna()]
    assert seen - {(pid, None) for pid, _ in seen} == set(
        zip(matched["rank"], matched["instance"], strict=True)
    )
    path = [one for one in analysis.critical_paths if one.window == "capture"]
    on_path = sum(ns(one["dur"]) for one in slices(document) if one["pid"] == PATH)
    assert on_path == (path[0].length_ns if path else 0)
    flows = [event for event in document["traceEvents"] if event["ph"] in "sf"]
    for flow in flows:
        spans = tracks[flow["pid"], flow["tid"]]
        assert any(start <= ns(flow["ts"]) < end for start, end in spans)
    assert len({one["id"] for one in flows}) == len(flows) / 2


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), style=st.sampled_from(["cuda", "gloo"]), overlapped=st.booleans())
def test_an_exported_run_says_what_the_analysis_says(seed: int, style: str, overlapped: bool) -> None:
    programs = random_programs(Recipe(ranks=3, seed=seed, straggler=1, overlapped=overlapped))
    ranks = [analyze_rank(trace) for trace in simulate(World(style=style), programs).traces()]
    analysis = join(RunInfo("run", Path("run")), ranks)
    check(trace_document(analysis), analysis)
    scenario = Scenario(no_stragglers=True)
    with_replay = trace_document(analysis, scenario)
    check(with_replay, analysis)
    last = max(ns(one["ts"]) + ns(one["dur"]) for one in slices(with_replay) if one["pid"] == REPLAY)
    assert last <= replay(analysis, scenario, "capture").before_ns


def test_the_command_writes_a_packed_timeline_of_a_saved_run(tmp_path: Path) -> None:
    run, output = CHECKOUT / "traces/gpt-tp2-sp", tmp_path / "x.json.gz"
    assert command_line(["export", str(run), "--to", "perfetto", "-o", str(output)]) == 0
    document = json.loads(gzip.decompress(output.read_bytes()))
    check(document, analyze(open_run(run)))
    assert "residual" in document["otherData"]["title"]
    names = [one["args"]["name"] for one in document["traceEvents"] if one["name"] == "process_name"]
    assert names == ["rank 0", "rank 1", document["otherData"]["title"], "what if: Without stragglers"]
    assert {one["name"] for one in slices(document) if one["tid"] == 1 and one["pid"] < 2} >= {
        "forward",
        "backward",
    }
    assert command_line(["export", str(run), "-o", str(output)]) == 2
    assert command_line(["export", str(run), "-o", str(tmp_path / "x.txt")]) == 2


def test_a_rank_alone_is_exported_without_arrows_or_replay(tmp_path: Path) -> None:
    programs = random_programs(Recipe(ranks=2, seed=1))
    trace = simulate(World(), programs).traces()[0]
    analysis = join(RunInfo("run", Path("run")), [analyze_rank(trace)])
    document = trace_document(analysis)
    assert not [event for event in document["traceEvents"] if event["ph"] in "sf"]
    assert [one for one in slices(document) if one["args"].get("part") == "untold"]


@pytest.mark.slow
def test_the_megatron_run_has_its_sums(real_traces: Path) -> None:
    analysis = analyze(open_run(real_traces / "megatron_tp8_a100"))
    check(trace_document(analysis, Scenario(no_stragglers=True)), analysis)
