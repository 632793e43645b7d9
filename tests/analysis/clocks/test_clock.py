"""One clock from matched instances: offsets, drift, bounds, and refusal of what no clock allows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.clocks.doubt import clock_gaps
from commscope.analysis.clocks.solve import ClockSolution, common_time, solve_clock
from commscope.analysis.result import Clock
from commscope.analysis.rows import rows_of
from tests.analysis.tables import EPOCH_NS, US, World, simulate, table


def solved(
    made: pd.DataFrame, truth: np.ndarray, hosts: dict[int, str | None] | None = None
) -> ClockSolution:
    return solve_clock(rows_of(made, {}), truth.astype(np.int64), hosts or {})


def the_clock(solution: ClockSolution) -> Clock:
    assert solution.clock is not None
    return solution.clock


def pair(first: tuple[float, float], second: tuple[float, float], **facts: object) -> list[dict[str, object]]:
    return [
        {
            "rank": rank,
            "start_ns": EPOCH_NS + round(start * US),
            "end_ns": EPOCH_NS + round(end * US),
            **facts,
        }
        for rank, (start, end) in enumerate((first, second))
    ]


def test_sixteen_ranks_with_offsets_drift_and_2_us_jitter_agree_within_a_microsecond() -> None:
    random = np.random.default_rng(3)
    offsets = {rank: float(random.uniform(-5000, 5000)) for rank in range(1, 16)}
    drifts = {rank: float(random.uniform(-10, 10)) for rank in range(1, 16)}
    world = World(
        ranks=16,
        count=400,
        gap_us=(500, 3500),
        transfer_us=(15, 600),
        offsets_us=offsets,
        drift_ppm=drifts,
        seed=4,
    )
    made, truth = simulate(world)
    clock = the_clock(solved(made, truth))
    moments_us = np.linspace(0, made["end_ns"].max() / US - EPOCH_NS / US, 50)
    for rank in range(1, 16):
        seen = moments_us * (1 + 1e-6 * drifts[rank]) + offsets[rank]
        error = (
            common_time(clock, rank, EPOCH_NS + np.rint(seen * US).astype(np.int64))
            - EPOCH_NS
            - moments_us * US
        )
        assert np.abs(error).max() < 1000, (rank, np.abs(error).max())
        low, high = clock.bounds_ns[rank]
        assert low is not None
        assert high is not None
        assert low <= clock.offsets_ns[rank] <= high
        assert clock.drift_ppm.get(rank, 0.0) == pytest.approx(-drifts[rank], abs=1)
    assert clock.offsets_ns[0] == 0
    assert clock.residual_ns < 3000


def test_bounds_hold_the_true_offset_and_are_as_wide_as_the_two_shortest_transfers_allow() -> None:
    made = table(pair((0, 30), (10, 31)) + pair((110, 130), (100, 129)))
    clock = the_clock(solved(made, np.array([0, 0, 1, 1])))
    # second's clock may be moved back until its end 31 meets the first's start 0 or 129 meets 110: -19;
    # and ahead until the first's end 30 meets 10 or 130 meets 100: +20
    assert clock.bounds_ns == {0: (0, 0), 1: (-19 * US, 20 * US)}
    assert clock.feasible


def test_a_match_that_no_clock_allows_is_refused_and_the_others_stay() -> None:
    made, truth = simulate(World(count=40))
    late = made.copy()
    moved = (late["rank"] == 1) & (truth == 7)
    late.loc[moved, ["start_ns", "end_ns"]] += 90_000_000
    solution = solved(late, truth)
    assert np.flatnonzero(solution.refused).tolist() == [7]
    assert the_clock(solution).feasible


def test_two_matches_that_contradict_each_other_cannot_both_stay() -> None:
    made = table(pair((0, 10), (100, 110)) + pair((20, 30), (0, 10)))
    assert solved(made, np.array([0, 0, 1, 1])).refused.sum() >= 1


def test_ranks_of_one_host_share_its_clock_where_ends_do_not_tell_them_apart() -> None:
    made, truth = simulate(World(ranks=4, jitter_us=20, seed=2))
    clock = the_clock(solved(made, truth, dict.fromkeys(range(4), "node0")))
    assert set(clock.offsets_ns.values()) == {0}
    apart = the_clock(solved(made, truth, {rank: f"node{rank}" for rank in range(4)}))
    assert set(apart.offsets_ns.values()) != {0}


def test_one_instance_tells_a_clock_to_half_the_width_of_its_bounds_and_the_waits_no_better() -> None:
    made = table(pair((0, 40), (30, 50)))
    clock = the_clock(solved(made, np.array([0, 0])))
    assert clock.bounds_ns[1] == (-50 * US, 10 * US)
    assert clock.offsets_ns[1] == -10 * US  # where the ends agree
    assert clock.uncertainty_ns == {0: 0, 1: 40 * US}
    matched = made.assign(wait_ns=[10 * US, 0])
    (gap,) = clock_gaps(clock, matched, {})
    assert (gap.code, gap.ranks) == ("clock_uncertain", (1,))


def test_ends_that_agree_leave_little_doubt() -> None:
    made, truth = simulate(World(ranks=2, count=100, jitter_us=2, offsets_us={1: 300}))
    clock = the_clock(solved(made, truth))
    doubt_ns = clock.uncertainty_ns[1]
    assert doubt_ns is not None
    # a transfer of 15 us is the shortest, and the latest of 2 ranks begins it: room for that on either side
    assert abs(clock.offsets_ns[1] + 300 * US) <= doubt_ns <= 20 * US


def test_a_thousand_shifted_clocks_lie_within_their_stated_bounds_even_where_a_rank_always_leaves_late() -> (
    None
):
    random = np.random.default_rng(12)
    outside = 0
    for seed in range(1000):
        shift_us = float(random.choice([1, 100, 1000, 5e6]) * random.uniform(-1, 1))
        made, truth = simulate(World(count=10, jitter_us=float(random.choice([0, 20, 500])), seed=seed))
        late = made["rank"] == 1
        made.loc[late, ["start_ns", "end_ns"]] += round(shift_us * US)
        made.loc[late, "end_ns"] += int(random.choice([0, 300 * US]))
        clock = the_clock(solved(made, truth))
        doubt_ns, (low, high) = clock.uncertainty_ns[1], clock.bounds_ns[1]
        assert doubt_ns is not None
        assert low is not None
        assert high is not None
        true_ns = -round(shift_us * US)
        outside += not low <= true_ns <= high
        outside += abs(clock.offsets_ns[1] - true_ns) > doubt_ns
    assert outside == 0


def test_a_shifted_rank_of_one_host_is_still_found() -> None:
    made, truth = simulate(World(ranks=2, offsets_us={1: 300}))
    clock = the_clock(solved(made, truth, {0: "node0", 1: "node0"}))
    assert clock.offsets_ns[1] == pytest.approx(-300 * US, abs=2 * US)


def test_two_hosts_get_one_offset_each() -> None:
    hosts: dict[int, str | None] = {0: "a", 1: "a", 2: "b", 3: "b"}
    made, truth = simulate(World(ranks=4, count=100, offsets_us={2: 5000, 3: 5000}))
    offsets = the_clock(solved(made, truth, hosts)).offsets_ns
    assert offsets[0] == offsets[1] == 0
    assert offsets[2] == offsets[3] == pytest.approx(-5000 * US, abs=2 * US)


def test_a_broadcast_bounds_its_receivers_from_one_side_only() -> None:
    made = table(pair((0, 10), (50, 60), collective="broadcast", peer=0))
    clock = the_clock(solved(made, np.array([0, 0])))
    assert clock.bounds_ns[1] == (-60 * US, None)


def test_ranks_that_share_nothing_have_no_clock() -> None:
    made, truth = simulate(World(ranks=2, count=5))
    alone = made["rank"] == 0
    assert solved(made[alone].reset_index(drop=True), truth[alone]).clock is None


def test_groups_chained_by_a_common_rank_are_solved_together() -> None:
    left, left_truth = simulate(World(ranks=2, count=60, offsets_us={1: 700}, seed=8))
    right, right_truth = simulate(World(ranks=2, count=60, offsets_us={0: 700, 1: -400}, seed=9))
    right = right.assign(rank=right["rank"] + 1)
    made = pd.concat([left, right], ignore_index=True)
    offsets = the_clock(solved(made, np.concatenate([left_truth, right_truth + 100]))).offsets_ns
    assert offsets[1] == pytest.approx(-700 * US, abs=US)
    assert offsets[2] == pytest.approx(400 * US, abs=2 * US)


@settings(max_examples=25, deadline=None)
@given(
    shift_ns=st.integers(-10_000_000, 10_000_000),
    rank=st.integers(1, 3),
    drift=st.sampled_from([0.0, 8.0]),
    seed=st.integers(0, 20),
)
def test_shifting_a_clock_changes_nothing_but_its_offset(
    shift_ns: int, rank: int, drift: float, seed: int
) -> None:
    made, truth = simulate(World(ranks=4, count=30, drift_ppm={2: drift}, gap_us=(1000, 9000), seed=seed))
    moved = made.copy()
    moved.loc[moved["rank"] == rank, ["start_ns", "end_ns"]] += shift_ns
    before, after = the_clock(solved(made, truth)), the_clock(solved(moved, truth))
    assert after.offsets_ns == {**before.offsets_ns, rank: before.offsets_ns[rank] - shift_ns}
    assert after.residual_ns == before.residual_ns
    assert after.drift_ppm.keys() == before.drift_ppm.keys()


def test_the_recorders_readings_make_one_clock_of_a_host_whatever_few_ends_say() -> None:
    # five all-reduces whose ends differ by 10 ms on rank 1, as a busy machine writes them
    made = table(
        [row for n in range(5) for row in pair((100 * n, 100 * n + 30), (100 * n + 1, 100 * n + 40))]
    )
    rows = rows_of(made, {})
    truth = np.repeat(np.arange(5), 2)
    hosts = dict.fromkeys((0, 1), "node0")
    readings = {0: 1_700_000_000_000_000_000, 1: 1_700_000_000_000_000_147}
    clock = solve_clock(rows, truth, hosts, readings).clock
    assert clock is not None
    assert clock.offsets_ns == {0: 0, 1: 0}
    assert clock.uncertainty_ns == {0: 147, 1: 147}
    guessed = solve_clock(rows, truth, hosts).clock
    assert guessed is not None
    assert guessed.offsets_ns[1] < 0
    booted_apart = solve_clock(rows, truth, hosts, {0: 0, 1: 10**12}).clock
    assert booted_apart is not None
    assert booted_apart.offsets_ns == guessed.offsets_ns
