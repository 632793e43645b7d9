"""What to do first: each proposal saves what the replay of its scenario says, and none is made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.report.found import proposal_documents, proposal_section
from commscope.trace import Layout, RunInfo
from commscope.whatif import Scenario, proposals, replay
from tests.build import build
from tests.programs import Recipe, random_programs
from tests.simulate import World, simulate


def simulated(straggler: int | None, style: str = "cuda") -> Analysis:
    programs = random_programs(Recipe(ranks=3, straggler=straggler, seed=6, overlapped=False))
    ranks = [analyze_rank(trace) for trace in simulate(World(style=style), programs).traces()]
    return join(RunInfo("run", Path("run")), ranks)


@pytest.mark.parametrize("style", ["cuda", "gloo"])
def test_the_delays_of_a_slow_rank_are_proposed_with_the_replay_s_gain(style: str) -> None:
    analysis = simulated(1, style)
    [found] = [one for one in proposals(analysis, "capture") if one.what.startswith("Take out")]
    assert found.what.startswith("Take out the delays of rank 1 before collectives")
    again = replay(analysis, Scenario(stragglers=(1,)), "capture")
    assert found.gain_ns == again.before_ns - again.after_ns > 0
    assert found.scenario == "--no-straggler 1"
    assert f"-{100 * found.gain_ns / again.before_ns:.1f} %" in found.words


def test_a_gain_of_something_hidden_is_a_limit() -> None:
    found = [one for one in proposals(simulated(None), "capture") if one.what.startswith("Hide every")]
    assert all(one.is_limit and "at most -" in one.words for one in found)


def test_the_gains_are_in_order_and_worth_telling() -> None:
    found = proposals(simulated(1), "capture")
    gains = [one.gain_ns for one in found]
    assert gains == sorted(gains, reverse=True)
    assert all(one.gain_ns >= 0.01 * one.window_ns for one in found)


SP = (
    "step 0-1000 | phase:forward 0-300 | all_gather 10-60 role=sp | compute 60-100 | reduce_scatter 100-150 role=sp"
    " | phase:backward 300-900 | all_gather 310-400 role=sp | all_gather 410-600 role=sp | compute 600-700"
    " | reduce_scatter 700-800 role=sp"
)


def test_second_gathers_are_counted_with_what_keeping_them_costs() -> None:
    ranks = [analyze_rank(trace) for trace in build(f"r0: {SP}", f"r1: {SP}", style="gloo")]
    info = RunInfo("run", Path("run"), layout=Layout(tp=2, sp=True))
    analysis = join(info, ranks)
    [kept] = [one for one in proposals(analysis, "step 0") if "--sp-keep-gathered" in one.what]
    assert "1 second gathers a step fall away, 2.00 KiB less sent" in kept.what
    already = replace(analysis, run=replace(info, layout=Layout(tp=2, sp=True, sp_keep_gathered=True)))
    assert not any("--sp-keep-gathered" in one.what for one in proposals(already, "step 0"))


def test_nothing_is_proposed_where_nothing_can_be_replayed() -> None:
    (trace,) = build("r0: compute 0-10")
    alone = join(RunInfo("run", Path("run")), [analyze_rank(trace)])
    assert proposals(alone, "capture") == ()
    assert proposal_section(alone, "capture") is None
    assert proposal_documents(replace(simulated(1), skeletons=()), "capture") == []
