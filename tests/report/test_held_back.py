"""What holds a run back: the sentence's numbers are those of replays, and one cause needs a clear lead."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.analysis.summary import typical_window
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.report.contract import analysis_document
from commscope.report.held_back import UNTOLD, WORDS, held_back
from commscope.report.render import text
from commscope.report.sections import Section
from commscope.trace import RunInfo
from commscope.whatif import Scale, Scenario, halving_gains, replay
from tests.build import build
from tests.programs import Recipe, random_programs
from tests.simulate import Comm, Compute, Host, Instruction, Simulation, World, simulate

MS = 1_000_000


def analysis_of(simulation: Simulation) -> Analysis:
    return join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in simulation.traces()])


def told(*own: Instruction, transfer_ns: int = MS) -> str:
    """The sentence on two ranks that do the same five times over."""
    program = [one for k in range(5) for one in (*own, Comm(bytes=4096 * (k + 1)))]
    world = World(style="gloo", transfer=lambda kind, size: transfer_ns)
    return held_back(analysis_of(simulate(world, {0: program, 1: program})), "capture") or ""


def test_one_cause_is_named_with_what_halving_each_saves() -> None:
    """5 x (18 compute + 1 transfer + small): half of compute is 45 of 95 ms."""
    assert told(Compute(18 * MS)).startswith("Held back by compute: halving saves, of the time, compute 47.")
    assert told(Host(18 * MS), Compute(1)).startswith("Held back by the host:")
    assert told(Compute(MS), transfer_ns=18 * MS).startswith("Held back by the network:")


def test_no_cause_is_named_without_a_clear_lead() -> None:
    sentence = told(Compute(10 * MS), Host(2 * MS), Compute(1), transfer_ns=8 * MS)
    assert sentence.startswith(
        "Held back by no single cause: halving saves, of the time, compute 25.0 %, the network 20.0 %"
    )


def test_no_cause_is_named_beside_as_much_that_was_not_recorded() -> None:
    """Compute is most of what can be halved, but 6 of 10 parts of the path are unexplained."""
    program: list[Instruction] = [Compute(18 * MS), Comm()]
    analysis = analysis_of(simulate(World(style="gloo"), {0: program, 1: program}))
    [path, *_] = analysis.critical_paths
    unexplained = replace(path, length_ns=100, by_kind_ns={"compute": 40, "idle": 60})
    assert (held_back(analysis, "capture") or "").startswith("Held back by compute")
    sentence = held_back(replace(analysis, critical_paths=(unexplained,)), "capture") or ""
    assert sentence.startswith("Held back by no single cause")
    assert sentence.endswith("; nothing recorded explains 60.0 % of the path.")


def test_a_share_of_one_path_is_no_bottleneck_where_another_is_as_long() -> None:
    """Rank 0 computes 20 ms, rank 1's host takes 20 ms, before each of five collectives: neither alone gains."""
    programs: dict[int, list[Instruction]] = {
        0: [one for k in range(5) for one in (Compute(20 * MS), Comm(bytes=4096 * (k + 1)))],
        1: [one for k in range(5) for one in (Host(20 * MS), Compute(1), Comm(bytes=4096 * (k + 1)))],
    }
    sentence = held_back(analysis_of(simulate(World(style="gloo"), programs)), "capture") or ""
    assert sentence.startswith("Held back by no single cause")


@settings(deadline=None, max_examples=10, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(["cuda", "gloo"]))
def test_the_numbers_are_those_of_replays(seed: int, style: str) -> None:
    programs = random_programs(Recipe(ranks=2 + seed % 3, seed=seed))
    analysis = analysis_of(simulate(World(style=style), programs))
    for window in ("capture", "step 1"):
        for kind, gain in halving_gains(analysis, window).items():
            outcome = replay(analysis, Scenario(scales=(Scale(kind, 0.5),)), window)
            assert gain == pytest.approx(1 - outcome.ratio, abs=1e-12)


def untied(waited_ns: int) -> Analysis:
    """One collective of 20 ms whose partners nobody knows; so much of it is known to be waiting."""
    program: list[Instruction] = [Compute(2 * MS), Comm(), Compute(MS)]
    world = World(style="gloo", transfer=lambda kind, size: 20 * MS)
    analysis = analysis_of(simulate(world, {0: program, 1: program}))
    columns = {"instance": pd.NA, "wait_ns": pd.NA, "transfer_ns": pd.NA, "culprit": pd.NA}
    table = analysis.instances.assign(**columns, least_wait_ns=waited_ns).astype(analysis.instances.dtypes)
    return replace(analysis, instances=table)


def test_no_network_shortens_what_is_known_to_be_waiting() -> None:
    outcome = replay(untied(18 * MS), Scenario(comm_free=True), "capture")
    assert outcome.before_ns - outcome.after_ns == pytest.approx(2 * MS, abs=10_000)
    assert halving_gains(untied(18 * MS), "capture")["transfer"] == pytest.approx(1 / 23, abs=0.01)
    assert halving_gains(untied(0), "capture")["transfer"] == pytest.approx(10 / 23, abs=0.01)


def test_no_cause_is_named_beside_waits_that_nothing_ties_to_a_rank() -> None:
    sentence = held_back(untied(18 * MS), "capture") or ""
    assert sentence.startswith("Held back by no single cause: ")
    assert "; what a rank waited 78.2 % of its time for is not known." in sentence


REPLAYED = ("gloo/mcore0161_sp2", "gloo/oth_pp", "torchrec_opt4_4rank", "dlrm_8rank_v100")


@pytest.mark.parametrize("name", REPLAYED)
def test_the_numbers_of_real_runs_are_those_of_replays(real_traces: Path, name: str) -> None:
    """Each that the sentence prints, within a point, against the replay that `whatif --scale KIND=0.5` shows."""
    analysis = analyze(open_run(real_traces / name), jobs=1)
    window = typical_window(analysis)
    sentence = held_back(analysis, window) or ""
    words = {word: kind for kind, word in (WORDS | UNTOLD).items()} | {WORDS["transfer"]: "transfer"}
    told = re.findall(r"([a-z][a-z\- ]+?) (\d+\.\d) %", sentence.split("of the time, ")[1].split(";")[0])
    assert len(told) >= 3
    for word, percent in told:
        outcome = replay(analysis, Scenario(scales=(Scale(words[word], 0.5),)), window)
        assert float(percent) == pytest.approx(100 * (1 - outcome.ratio), abs=1)


def test_the_network_is_not_named_where_waiting_is_not_told_from_transfer() -> None:
    [trace] = build(
        "r0: compute 0-10 launch=-1 | all_reduce 10-80 issue=-4 launch=0 | compute 81-90 launch=1"
    )
    alone = join(RunInfo("run", Path("run"), world_size=2), [analyze_rank(trace)])
    sentence = held_back(alone, "capture") or ""
    assert sentence.startswith("Held back by communication or ranks it waited for: ")
    assert sentence.endswith("communication may be waiting for other ranks.")
    assert not re.search("network", sentence)


def test_the_document_has_the_sentences_that_the_text_prints_first() -> None:
    analysis = analysis_of(simulate(World(style="gloo"), random_programs(Recipe(seed=3))))
    sentences = analysis_document(analysis)["headline"]
    assert any(sentence.startswith("Held back by") for sentence in sentences)
    from commscope.report.analysis_sections import analysis_sections

    printed = text(analysis_sections(analysis)).splitlines()
    assert printed[1 : 1 + len(sentences)] == sentences
    assert isinstance(analysis_sections(analysis)[0], Section)
