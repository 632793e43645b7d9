"""Who waits for whom, and why the culprit was late."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.join import join
from commscope.analysis.result import Analysis, Stall, Window
from commscope.analysis.waits.stalls import cause_words, counted_once
from commscope.trace import RunInfo
from tests.analysis.tables import EPOCH_NS, US, World, analyses, simulate, table

Spans = dict[int, list[tuple[int, int]]]


def joined(
    spans: Spans, compute: Spans | None = None, windows: tuple[str, ...] = (), group: tuple[int, ...] = ()
) -> Analysis:
    """Instances k = 0, 1, ... of one group at spans[rank][k] (us), and compute intervals (us)."""
    rows = [
        {
            "rank": rank,
            "index": k,
            "start_ns": EPOCH_NS + start * US,
            "end_ns": EPOCH_NS + end * US,
            "group": "tp",
            "seq": k + 1,
            "window": windows[k] if windows else "capture",
            "group_ranks": group or tuple(spans),
        }
        for rank, times in spans.items()
        for k, (start, end) in enumerate(times)
    ]
    busy = {rank: [(a * US, b * US) for a, b in parts] for rank, parts in (compute or {}).items()}
    hosts = dict.fromkeys(spans, "node0")
    return join(RunInfo("run", Path("run")), analyses(table(rows), compute=busy, hosts=hosts))


def matrix(analysis: Analysis, window: str = "capture") -> dict[tuple[int, int], int]:
    return {(one.victim, one.culprit): one.wait_ns // US for one in analysis.stalls if one.window == window}


def test_the_matrix_adds_up_waits_by_victim_and_culprit_and_window() -> None:
    analysis = joined(
        {
            0: [(0, 40), (100, 120), (200, 260)],
            1: [(30, 40), (110, 120), (200, 260)],
            2: [(10, 40), (90, 120), (250, 260)],
        },
        windows=("step 0", "step 1", "step 1"),
    )
    assert matrix(analysis, "step 0") == {(0, 1): 30, (2, 1): 20}
    assert matrix(analysis, "step 1") == {(0, 1): 10, (2, 1): 20, (0, 2): 50, (1, 2): 50}
    assert matrix(analysis) == {(0, 1): 40, (2, 1): 40, (0, 2): 50, (1, 2): 50}


def test_many_messages_that_wait_at_once_count_once() -> None:
    """Rank 1 posts five receives within 5 us; all senders come at 50 us: it waited 50 us, not 240."""
    rows = [
        {"rank": rank, "start_ns": EPOCH_NS + start * US, "end_ns": EPOCH_NS + end * US, "collective": kind,
         "is_p2p": True, "peer": 1 - rank, "seq": k + 1, "group": "pp", "group_ranks": (0, 1), "index": k}
        for k in range(5)
        for rank, kind, start, end in ((0, "send", 50, 60), (1, "recv", k, 61))
    ]  # fmt: skip
    made = table(sorted(rows, key=lambda row: row["rank"]))  # type: ignore[arg-type, return-value]
    hosts = {0: "node0", 1: "node0"}
    analysis = join(RunInfo("run", Path("run")), analyses(made, hosts=hosts))
    assert analysis.instances["wait_ns"].sum() == (50 + 49 + 48 + 47 + 46) * US
    assert matrix(analysis) == {(1, 0): 50}


@settings(max_examples=60, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 300)), min_size=1, max_size=30),
    window=st.tuples(st.integers(0, 500), st.integers(500, 1500)),
)
def test_a_row_of_the_matrix_is_the_union_of_its_waits_and_no_longer_than_the_span(
    spans: list[tuple[int, int]], window: tuple[int, int]
) -> None:
    instances = pd.DataFrame(
        {"rank": 0, "window": "step 1", "start_ns": [start for start, _ in spans],
         "wait_ns": pd.array([wait for _, wait in spans], dtype="Int64")}
    )  # fmt: skip
    once = counted_once(instances, {0: (Window("step 1", *window, 1),)})
    moments = {t for start, wait in spans for t in range(start, start + wait) if window[0] <= t < window[1]}
    assert int(once["wait_ns"].sum()) == len(moments) <= window[1] - window[0]
    assert (once["wait_ns"] <= instances["wait_ns"]).all()


def test_row_sums_are_the_waits_of_the_ranks() -> None:
    made, _ = simulate(World(ranks=5, count=40, facts=True, noise_us=200))
    analysis = join(RunInfo("run", Path("run")), analyses(made))
    sums = pd.Series(matrix_ns(analysis)).groupby(level=0).sum()
    assert sums.to_dict() == analysis.instances.groupby("rank")["wait_ns"].sum().to_dict()


def matrix_ns(analysis: Analysis) -> dict[tuple[int, int], int]:
    return {(one.victim, one.culprit): one.wait_ns for one in analysis.stalls}


def causes(analysis: Analysis) -> dict[tuple[int, int, str], int]:
    return {
        (one.victim, one.culprit, cause): ns // US
        for one in analysis.stalls
        for cause, ns in one.causes_ns.items()
        if one.window == "capture"
    }


def test_a_rank_that_computes_longer_is_late_by_compute() -> None:
    analysis = joined(
        {0: [(0, 10), (50, 110)], 1: [(0, 10), (100, 110)]}, compute={0: [(10, 50)], 1: [(10, 100)]}
    )
    assert causes(analysis) == {(0, 1, "compute"): 50}
    assert analysis.stalls[0].cause == "compute"


def test_causes_are_told_from_the_largest_on_and_small_ones_not_at_all() -> None:
    stalls = [
        Stall("step 0", 0, 1, 50, {"compute": 30, "wait": 20}),
        Stall("step 0", 2, 1, 50, {"compute": 46, "idle": 4}),
    ]
    assert cause_words(stalls) == "compute 76 %, waiting for others 20 %"
    assert cause_words([Stall("step 0", 0, 1, 50)]) == ""
    assert (stalls[0].cause, stalls[0].propagated_ns) == ("compute", 20)
    assert (Stall("step 0", 0, 1, 50).cause, Stall("step 0", 0, 1, 50).propagated_ns) == (None, None)


def test_before_their_first_meeting_ranks_are_compared_since_both_are_recorded() -> None:
    rows = {0: [(50, 110)], 1: [(100, 110)]}
    assert causes(joined(rows, compute={0: [(0, 50)], 1: [(0, 100)]})) == {(0, 1, "compute"): 50}
    assert causes(joined(rows, compute={0: [(0, 50)], 1: [(0, 40)]})) == {(0, 1, "idle"): 50}


def test_a_rank_that_left_the_last_collective_later_is_late_by_its_transfer() -> None:
    analysis = joined(
        {0: [(0, 10), (50, 110)], 1: [(0, 40), (80, 110)]}, compute={0: [(10, 50)], 1: [(40, 80)]}
    )
    assert causes(analysis) == {(0, 1, "transfer"): 30}


def test_a_rank_that_does_nothing_longer_is_late_by_idle_time() -> None:
    analysis = joined(
        {0: [(0, 10), (50, 110)], 1: [(0, 10), (100, 110)]}, compute={0: [(10, 50)], 1: [(10, 50)]}
    )
    assert causes(analysis) == {(0, 1, "idle"): 50}


def test_a_wait_is_shared_among_the_causes_by_their_excess() -> None:
    analysis = joined(
        {0: [(0, 10), (50, 110)], 1: [(0, 10), (110, 120)]}, compute={0: [(10, 50)], 1: [(10, 70)]}
    )
    # until they arrive rank 1 computes 20 us longer and idles 40 us longer; rank 0's 60 us of wait divide 1 : 2
    assert causes(analysis) == {(0, 1, "compute"): 20, (0, 1, "idle"): 40}


def test_a_rank_that_was_held_up_elsewhere_passes_its_wait_on() -> None:
    rows = []
    for name, members in {
        "all": {0: [(0, 10), (20, 120)], 1: [(0, 10), (110, 120)], 2: [(0, 10), (112, 120)]},
        "pair": {1: [(20, 105)], 2: [(100, 105)]},
    }.items():
        for rank, times in members.items():
            for k, (start, end) in enumerate(times):
                rows.append(
                    {
                        "rank": rank,
                        "start_ns": EPOCH_NS + start * US,
                        "end_ns": EPOCH_NS + end * US,
                        "group": name,
                        "seq": k + 1,
                        "group_ranks": tuple(members),
                    }
                )
    made = table(rows).sort_values(["rank", "start_ns"], ignore_index=True)
    made["index"] = made.groupby("rank").cumcount()
    made.loc[(made["group"] == "all") & (made["rank"] == 2) & (made["seq"] == 2), "start_ns"] -= 5 * US
    analysis = join(RunInfo("run", Path("run")), analyses(made, hosts=dict.fromkeys(range(3), "node0")))
    told = causes(analysis)
    # rank 0 waits 20-110 for rank 1, which since their last meeting waited 80 us for rank 2, moved data 5 and idled 15
    assert matrix(analysis)[0, 1] == 90
    assert told[0, 1, "wait"] == 80 * 90 // 90
    passed_on = {(one.victim, one.culprit): one.propagated_ns for one in analysis.stalls}
    assert passed_on[0, 1] == 80 * US


def test_causes_of_a_cell_add_up_to_its_wait() -> None:
    made, _ = simulate(World(ranks=4, count=30, facts=True, noise_us=300, seed=3))
    analysis = join(RunInfo("run", Path("run")), analyses(made))
    assert analysis.stalls
    for one in analysis.stalls:
        assert sum(one.causes_ns.values()) == one.wait_ns
        assert min(one.causes_ns.values()) > 0
