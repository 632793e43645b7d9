"""Names on waits, stalls and paths: what they say is no more than what the records prove."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.join import join
from commscope.analysis.naming import late_words, named_cause_words
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.trace import RunInfo
from tests.build import build
from tests.programs import Recipe, random_programs
from tests.simulate import World, simulate

US = 1_000


def analysis_of(*lines: str, **options: object) -> Analysis:
    return join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in build(*lines, **options)])


CUDA = (
    (
        "r0: layer:2 0-400 | phase:forward 0-400 | compute 10-20 launch=1 | all_reduce 30-60"
        " | op:aten::item 70-270 | compute 280-290 launch=272 | all_reduce 300-330"
    ),
    (
        "r1: layer:2 0-400 | phase:forward 0-400 | compute 10-20 launch=1 | all_reduce 30-60"
        " | compute 80-90 launch=72 | all_reduce 100-330"
    ),
)


def test_a_late_rank_is_named_with_its_operator_phase_and_layer() -> None:
    analysis = analysis_of(*CUDA)
    first = analysis.late_arrivals[0]
    assert (first.culprit, first.victim, first.wait_ns) == (0, 1, 200 * US)
    assert first.spent[0].activity.name == "aten::item"
    assert first.spent[0].more_ns == first.spent[0].time_ns == 200 * US
    assert late_words(first).startswith(
        "rank 0 was late to all_reduce 2 of 2 in forward of layer 2 by 200 us: aten::item 200 us"
    )


def test_a_stall_tells_its_causes_by_name_and_they_sum_to_it() -> None:
    [stall] = [one for one in analysis_of(*CUDA).stalls if one.victim == 1]
    assert sum(one.time_ns for one in stall.causes) == stall.wait_ns
    assert (stall.causes[0].kind, stall.causes[0].name) == ("host_bound", "aten::item")
    assert named_cause_words(stall.causes) == "aten::item in forward of layer 2 200 us"


def test_the_path_is_named_and_no_name_is_longer_than_its_part() -> None:
    path = analysis_of(*CUDA).critical_paths[0]
    host = max(
        (part for part in path.parts if part.kind == "host"), key=lambda one: one.end_ns - one.start_ns
    )
    assert host.spent[0][0].name == "aten::item"
    for part in path.parts:
        assert all(0 < ns <= part.end_ns - part.start_ns for _, ns in part.spent)


def test_a_rank_late_from_the_start_says_what_would_tell_why() -> None:
    analysis = analysis_of(
        "r0: all_reduce 200-230 | compute 240-250", "r1: all_reduce 100-230 | compute 240-250"
    )
    assert "capture from a step earlier" in late_words(analysis.late_arrivals[0])


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    style=st.sampled_from(["cuda", "gloo"]),
    straggler=st.sampled_from([None, 1]),
)
def test_names_never_say_more_than_was_waited(seed: int, style: str, straggler: int | None) -> None:
    programs = random_programs(Recipe(ranks=3, seed=seed, straggler=straggler))
    traces = simulate(World(style=style), programs).traces()
    analysis = join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in traces])
    for stall in analysis.stalls:
        if stall.causes:
            assert sum(one.time_ns for one in stall.causes) == stall.wait_ns
            assert min(one.time_ns for one in stall.causes) > 0
    for one in analysis.late_arrivals:
        assert sum(one.causes_ns.values()) == one.wait_ns
        assert all(0 < more.more_ns <= more.time_ns for more in one.spent)
    for path in analysis.critical_paths:
        for part in path.parts:
            length = part.end_ns - part.start_ns
            assert all(0 < ns <= length for _, ns in part.spent)


@pytest.mark.parametrize("style", ["cuda", "gloo"])
def test_the_order_of_ranks_changes_no_name(style: str) -> None:
    traces = simulate(World(style=style), random_programs(Recipe(ranks=3, seed=7))).traces()
    ranks = [analyze_rank(trace) for trace in traces]
    one, other = (join(RunInfo("run", Path("run")), order) for order in (ranks, ranks[::-1]))
    assert one.late_arrivals == other.late_arrivals
    assert [stall.causes for stall in one.stalls] == [stall.causes for stall in other.stalls]
