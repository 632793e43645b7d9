"""Ranks that share alike: S of runs whose ideal is known on paper."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.errors import IncompleteTrace
from commscope.trace import RankTrace, RunInfo
from commscope.whatif import EQUALIZED, Scenario, outcome_words, replay_all, slowdown, slowdown_words
from tests.build import build
from tests.simulate import Comm, Compute, Host, Instruction, Step, World, simulate
from tests.test_field_evidence import said

MS = 1_000_000
Programs = dict[int, list[Instruction]]


def joined(traces: list[RankTrace]) -> Analysis:
    return join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in traces])


def uneven(what: type[Compute | Host], times_ms: tuple[int, ...]) -> Analysis:
    """Two steps of five collectives of 1 ms, before each so many milliseconds of rank k's own."""
    programs: Programs = {rank: [] for rank in range(len(times_ms))}
    for rank, program in programs.items():
        for step in range(2):
            program.append(Step(step))
            for k in range(5):
                program += [what(times_ms[rank] * MS), Compute(1), Comm(bytes=4096 * (k + 1))]
    return joined(simulate(World(style="gloo", transfer=lambda kind, size: MS), programs).traces())


@pytest.mark.parametrize("what", ["compute", "all"])
def test_compute_takes_its_mean_over_ranks(what: str) -> None:
    """Ranks of 10, 10 and 40 ms: 41 ms a collective, ideally 20 + 1."""
    slow = slowdown(uneven(Compute, (10, 10, 40)), what)
    assert slow.ratio == pytest.approx(41 / 21, rel=0.01)
    assert slow.by_rank == pytest.approx({0: 1.0, 1: 1.0, 2: 41 / 21}, rel=0.01)
    assert slow.by_kind["compute"] == pytest.approx(41 / 21, rel=0.01)
    assert slow.by_stage == {}
    if what == "all":
        assert slow.by_kind["host"] == pytest.approx(1.0, rel=0.01)
        assert slow.by_kind["transfer"] == pytest.approx(1.0, rel=0.01)
    told = slowdown_words(slow)
    assert told.startswith("S = 1.95: the run takes 1.95 times as long as if its ranks shared alike; ")
    assert "rank 2 1.95" in told


def test_a_late_host_is_no_compute() -> None:
    analysis = uneven(Host, (10, 10, 40))
    assert slowdown(analysis, "compute").ratio == pytest.approx(1.0, abs=0.01)
    slow = slowdown(analysis, "all")
    assert slow.by_kind["host"] == pytest.approx(41 / 21, rel=0.01)
    assert slow.by_rank[2] == pytest.approx(41 / 21, rel=0.01)


def test_equal_ranks_have_nothing_to_share() -> None:
    analysis = uneven(Compute, (20, 20))
    for what in EQUALIZED:
        slow = slowdown(analysis, what)
        assert slow.ratio == pytest.approx(1.0, abs=0.001)
        assert slowdown_words(slow).endswith("the run would be no faster if its ranks shared alike.")


FIRST = "r0: compute 0-1000 | send 1000-1100 peer=1 | compute 1100-2100 | send 2100-2200 peer=1"
SECOND = "r1: recv 0-1100 peer=0 | compute 1100-4100 | recv 4100-4200 peer=0 | compute 4200-7200"


def test_stages_compute_equally_long() -> None:
    """Two microbatches: 1 ms each in stage 0 and 3 ms in stage 1 take 7.3 ms, 2 ms each 6.3 ms."""
    traces = build(f"{FIRST} | all_reduce 2200-7300", f"{SECOND} | all_reduce 7200-7300", style="gloo")
    outcome = replay_all(joined(traces), Scenario(equalize="stage"))[0]
    assert outcome.before_ns == pytest.approx(7.3 * MS, abs=10_000)
    assert outcome.after_ns == pytest.approx(6.3 * MS, abs=10_000)
    slow = slowdown(joined(traces), "stage")
    assert slow.ratio == pytest.approx(7.3 / 6.3, rel=0.01)


def test_one_rank_has_nobody_to_share_with() -> None:
    [trace] = build("r0: compute 0-10 launch=-1 | compute 10-30 launch=0")
    alone = join(RunInfo("run", Path("run"), world_size=1), [analyze_rank(trace)])
    with pytest.raises(IncompleteTrace, match="one rank"):
        slowdown(alone, "all")


def test_the_sentence_says_the_scenario_and_the_document_has_s(real_traces: Path) -> None:
    scenario = Scenario(equalize="compute")
    told = outcome_words(replay_all(uneven(Compute, (10, 10, 40)), scenario)[0], scenario)
    assert told.startswith("With each rank's compute at its mean over ranks, capture would take ")
    run = real_traces / "gloo" / "oth_pp"
    code, text = said("whatif", run, "--equalize", "all", "--format", "json")
    assert code == 0
    slow = json.loads(text)["slowdown"]
    assert slow["ratio"] > 1
    assert set(slow["by_stage"]) == {"0", "1"}
    code, text = said("whatif", run, "--equalize", "stage")
    assert (code, "S = " in text) == (0, True)
