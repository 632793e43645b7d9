"""What a path may never say: host time while the rank waited, steps that leave a hole, a run of two times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.intervals import intersection, measure, union_of
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis, CriticalPath, Intervals
from commscope.engine import analyze
from commscope.errors import IncompleteTrace
from commscope.readers import open_run
from commscope.trace import RankTrace, RunInfo
from commscope.whatif import Scenario, halving_gains, replay_all
from tests.build import build
from tests.programs import Recipe, random_programs
from tests.simulate import EPOCH_NS, World, simulate


def analysis_of(traces: list[RankTrace]) -> Analysis:
    return join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in traces])


def hosts_time(path: CriticalPath, rank: int) -> Intervals:
    """When a path is at the host of a rank."""
    parts = [part for part in path.parts if (part.rank, part.kind) == (rank, "host")]
    return spans((part.start_ns, part.end_ns) for part in parts)


def spans(pairs: Iterable[tuple[int, int]]) -> Intervals:
    starts, ends = np.array([*pairs], dtype=np.int64).reshape(-1, 2).T
    return union_of(starts, ends)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(["cuda", "gloo"]))
def test_a_host_that_waits_is_not_on_the_path(seed: int, style: str) -> None:
    simulation = simulate(World(style=style), random_programs(Recipe(ranks=2 + seed % 3, seed=seed)))
    analysis = analysis_of(simulation.traces())
    for path in analysis.critical_paths:
        for rank, waits in simulation.waits_ns.items():
            stood = spans((EPOCH_NS + a, EPOCH_NS + b) for a, b in waits)
            assert measure(intersection(hosts_time(path, rank), stood)) == 0


@settings(deadline=None, max_examples=20, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(["cuda", "gloo"]))
def test_steps_of_the_path_and_of_a_replay_are_those_of_the_run(seed: int, style: str) -> None:
    """They tile what is marked, and say the same windows as the analysis does."""
    programs = random_programs(Recipe(ranks=2 + seed % 3, seed=seed))
    analysis = analysis_of(simulate(World(style=style), programs).traces())
    steps = [one for one in analysis.windows if one.step is not None]
    assert all(a.end_ns == b.start_ns for a, b in pairwise(steps))
    paths = {path.window: path for path in analysis.critical_paths}
    for window, replayed in zip(analysis.windows, replay_all(analysis, Scenario()), strict=True):
        path = paths[window.name]
        assert (path.parts[0].start_ns, path.parts[-1].end_ns) == (window.start_ns, window.end_ns)
        assert replayed.window == window.name
        span = (replayed.before.parts[0].start_ns, replayed.before.parts[-1].end_ns)
        assert span == (window.start_ns, window.end_ns), window.name


@pytest.mark.parametrize("seconds", [10, 735_004])
def test_captures_without_a_common_moment_have_no_path(seconds: int) -> None:
    """Two ranks of two runs in one folder: nobody waited for anybody."""
    first, second = build(
        "r0: compute 0-10 | all_reduce 10-30 seq=1 | compute 30-40",
        "r1: compute 0-10 | all_reduce 10-30 seq=9 | compute 30-40",
        offsets_us={1: seconds * 1e6},
    )
    analysis = analysis_of([dataclasses.replace(one, host="here") for one in (first, second)])
    assert analysis.critical_paths == ()
    assert halving_gains(analysis, "capture") == {}
    with pytest.raises(IncompleteTrace):
        replay_all(analysis, Scenario(comm_free=True))


def test_ranks_that_nothing_ties_are_refused_with_the_reason(field_cases: Path) -> None:
    """Sends that end before their receives start bound no clock."""
    analysis = analyze(open_run(field_cases / "p2p_global_peer"), jobs=1)
    assert analysis.matching.matched == 18
    with pytest.raises(IncompleteTrace, match="ties the ranks' clocks"):
        replay_all(analysis, Scenario(comm_free=True))
