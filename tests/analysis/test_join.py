"""The ranks joined: the same answers whatever the clocks, windows and order of files, and gaps that say what lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.errors import IncompleteTrace
from commscope.report.contract import analysis_document
from commscope.trace import Gap, RankMemory, RunInfo
from tests.analysis.tables import US, World, analyses, simulate
from tests.build import build

INFO = RunInfo("run", Path("run"))
ANSWERS = ["collective", "lateness_ns", "wait_ns", "transfer_ns", "culprit", "transfer_free_ns"]


def simulated(world: World, **facts: object) -> tuple[Analysis, np.ndarray]:
    made, truth = simulate(world)
    return join(INFO, analyses(made, **facts)), truth  # type: ignore[arg-type]


def by_truth(analysis: Analysis, truth: np.ndarray) -> pd.DataFrame:
    table = analysis.instances.assign(truth=truth)
    return table[table["instance"].notna()].set_index(["truth", "rank"])[ANSWERS]


@pytest.mark.parametrize("facts", [True, False])
def test_a_late_window_and_a_clock_300_us_ahead_give_the_answers_of_the_clean_pair(facts: bool) -> None:
    clean, clean_truth = simulated(World(count=60, facts=facts, jitter_us=1))
    skewed, skewed_truth = simulated(
        World(count=60, facts=facts, jitter_us=1, first={1: 1}, offsets_us={1: 300})
    )
    assert (clean.matching.matched, clean.matching.unmatched) == (60, 0)
    assert (skewed.matching.matched, skewed.matching.unmatched, skewed.matching.refused) == (59, 1, 0)
    expected = by_truth(clean, clean_truth).drop(index=0, level=0)
    found = by_truth(skewed, skewed_truth)
    assert found["culprit"].equals(expected["culprit"])
    for name in ("lateness_ns", "wait_ns", "transfer_ns"):
        assert (found[name] - expected[name]).abs().max() <= 500, name
    assert skewed.clock is not None
    assert clean.clock is not None
    assert skewed.clock.offsets_ns[1] == pytest.approx(clean.clock.offsets_ns[1] - 300 * US, abs=500)


def test_order_of_ranks_changes_nothing() -> None:
    made, _ = simulate(World(ranks=5, count=30))
    ranks = analyses(made)
    one, other = join(INFO, ranks), join(INFO, ranks[::-1])
    pd.testing.assert_frame_equal(one.instances, other.instances)
    assert (one.matching, one.clock, one.stalls, one.breakdown) == (
        other.matching,
        other.clock,
        other.stalls,
        other.breakdown,
    )


def test_times_of_the_result_are_on_the_clock_of_the_lowest_rank() -> None:
    analysis, truth = simulated(World(ranks=3, count=50, offsets_us={1: 5000, 2: -7000}, jitter_us=0))
    ends = analysis.instances.assign(truth=truth).groupby("truth")["end_ns"]
    assert (ends.max() - ends.min()).max() <= 2
    starts = [windows[0].start_ns for windows in analysis.rank_windows.values()]
    assert max(starts) - min(starts) < 1000 * US
    assert analysis.windows[0].start_ns == min(starts)


def test_exposed_wait_and_transfer_divide_the_exposed_time() -> None:
    traces = build(
        "r0: compute 0-10 | all_reduce 10-60 | compute 40-50",
        "r1: compute 0-30 | all_reduce 30-60",
    )
    analysis = join(INFO, [analyze_rank(trace) for trace in traces])
    first, second = analysis.breakdown
    # rank 0 waits 10-30, transfers 30-60, of which 40-50 is hidden behind compute
    assert (first.exposed_ns, first.exposed_wait_ns, first.exposed_transfer_ns) == (40 * US, 20 * US, 20 * US)
    assert (second.exposed_wait_ns, second.exposed_transfer_ns) == (0, 30 * US)


def test_where_one_stream_transfers_while_another_waits_the_time_is_transfer() -> None:
    groups = {"a": (0, 1), "b": (0, 1)}
    traces = build(
        "r0: all_reduce 0-60 group=a stream=20 | all_gather 10-40 group=b stream=21",
        "r1: all_gather 10-40 group=b stream=21 | all_reduce 50-60 group=a stream=20",
        groups=groups,
    )
    row = join(INFO, [analyze_rank(trace) for trace in traces]).breakdown[0]
    assert (row.exposed_wait_ns, row.exposed_transfer_ns) == (20 * US, 40 * US)


def test_exposed_time_in_an_unmatched_collective_is_not_told_and_the_rest_stays_split() -> None:
    analysis, truth = simulated(World(count=10, facts=True, dropped=frozenset({(1, 4)})))
    first, second = analysis.breakdown
    lost = analysis.instances[truth == 4]
    assert first.exposed_unknown_ns == int((lost["end_ns"] - lost["start_ns"]).sum())
    assert first.exposed_wait_ns + first.exposed_transfer_ns + first.exposed_unknown_ns == first.exposed_ns
    assert second.exposed_unknown_ns == 0
    assert [gap.code for gap in analysis.gaps if gap.code != "clock_uncertain"] == ["unmatched"]


def test_collectives_with_absent_members_tell_no_wait_transfer_or_bandwidth() -> None:
    made, _ = simulate(World(ranks=4, count=5, facts=True))
    made = made[made["rank"] < 2].assign(group_size=4).reset_index(drop=True)
    analysis = join(INFO, analyses(made, world_size=4))
    table = analysis.instances
    assert table["wait_ns"].isna().all()
    assert table["transfer_ns"].isna().all()
    assert table["members"].tolist() == [4] * 10
    assert table["members_present"].tolist() == [2] * 10
    assert table["least_wait_ns"].notna().all()
    assert analysis.stalls == ()
    for row in analysis.breakdown:
        parts = (row.exposed_wait_ns, row.exposed_transfer_ns, row.exposed_unknown_ns)
        assert parts == (None, None, row.exposed_ns)
    rows = analysis_document(analysis)["collectives"]
    assert all(row["wait_ns"] is row["transfer_ns"] is row["busbw_gbps"] is None for row in rows)
    assert {(row["members_present"], row["members"]) for row in rows} == {(2, 4)}
    assert "members_absent" in [gap.code for gap in analysis.gaps]


def test_missing_ranks_are_named() -> None:
    made, _ = simulate(World(ranks=4, count=5, facts=True))
    made = made[made["rank"] != 2].assign(group_size=4).reset_index(drop=True)
    analysis = join(INFO, analyses(made, world_size=4))
    assert analysis.ranks == (0, 1, 3)
    assert analysis.missing_ranks == (2,)
    assert analysis.matching.matched == 5
    assert {gap.code: gap.ranks for gap in analysis.gaps}["missing_ranks"] == (2,)


def test_one_rank_alone_has_no_waits_and_says_so() -> None:
    made, _ = simulate(World(ranks=1, count=5))
    analysis = join(INFO, analyses(made))
    assert analysis.clock is None
    assert analysis.matching.matched == 0
    assert analysis.matching.method == "none"
    assert analysis.instances["wait_ns"].isna().all()
    assert [gap.code for gap in analysis.gaps] == ["one_rank"]


def test_no_rank_at_all_is_an_error_of_three_lines() -> None:
    with pytest.raises(IncompleteTrace, match="no rank"):
        join(INFO, [])


def test_a_rank_without_collectives_does_not_disturb_the_others() -> None:
    made, _ = simulate(World(ranks=3, count=10, facts=True))
    made = made.assign(group_ranks=[(0, 1)] * len(made))
    ranks = analyses(made)
    silent = analyses(made)[2]
    empty = silent.instances.iloc[:0]
    from dataclasses import replace

    analysis = join(INFO, [*ranks[:2], replace(silent, instances=empty)])
    assert analysis.matching.matched == 10
    assert analysis.ranks == (0, 1, 2)


def test_a_run_without_any_collective_joins() -> None:
    traces = build("r0: compute 0-10", "r1: compute 0-12")
    analysis = join(INFO, [analyze_rank(trace) for trace in traces])
    assert analysis.matching.instances == 0
    assert analysis.stalls == ()
    assert analysis.clock is None


def test_equal_gaps_of_ranks_become_one_and_facts_of_the_run_are_completed() -> None:
    made, _ = simulate(World(ranks=2, count=5, facts=True))
    from dataclasses import replace

    ranks = [
        replace(one, gaps=(Gap("x", "something", (one.rank,)),), memory=RankMemory(one.rank, "rss", 10))
        for one in analyses(made, world_size=2)
    ]
    info = RunInfo("run", Path("run"), memory=(RankMemory(0, "rss", 99),))
    analysis = join(info, ranks, [Gap("y", "of the run")])
    told = [(gap.code, gap.ranks) for gap in analysis.gaps if gap.code != "clock_uncertain"]
    assert told == [("y", ()), ("x", (0, 1))]
    assert (analysis.run.world_size, analysis.run.backend) == (2, "nccl")
    assert [(row.rank, row.peak_bytes) for row in analysis.memory] == [(0, 99), (1, 10)]


def test_matched_instances_of_the_result_keep_their_laws() -> None:
    analysis, truth = simulated(
        World(ranks=4, count=50, dropped=frozenset({(2, 7), (3, 20)}), jitter_us=20, seed=11)
    )
    table = analysis.instances.assign(truth=truth)
    matched = table[table["instance"].notna()]
    assert (matched["wait_ns"] + matched["transfer_ns"] == matched["end_ns"] - matched["start_ns"]).all()
    groups = matched.groupby("instance")
    assert (groups["start_ns"].max() <= groups["end_ns"].min()).all()
    assert (groups["truth"].min() == groups["truth"].max()).all()
    assert (groups.size() == 4).all()
    assert sorted(matched["instance"].unique()) == list(range(analysis.matching.matched))
    counts = analysis.matching
    assert counts.instances == counts.matched + counts.unmatched + counts.refused == 50


def test_captures_that_share_no_moment_are_told() -> None:
    lines = ("r0: all_reduce 10-30 | compute 30-40", "r1: all_reduce 12-30 | compute 30-40")
    codes = [
        {
            gap.code
            for gap in join(
                INFO, [analyze_rank(trace) for trace in build(*lines, offsets_us={1: offset})]
            ).gaps
        }
        for offset in (5, 3_600_000_000)
    ]
    assert "no_common_time" not in codes[0]
    assert "no_common_time" in codes[1]
