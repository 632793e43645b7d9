"""Matching by proof: what is one collective, what is not, and what cannot be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from commscope.analysis.alignment.cluster import Known, cluster
from commscope.analysis.alignment.tracks import track_of
from commscope.analysis.clocks.solve import solve_clock
from commscope.analysis.matching.match import Matched, match
from commscope.analysis.rows import rows_of
from commscope.trace import ProcessGroup
from tests.analysis.tables import EPOCH_NS, US, World, simulate, table


def row(rank: int, start_us: float, end_us: float, **facts: object) -> dict[str, object]:
    return {
        "rank": rank,
        "start_ns": EPOCH_NS + round(start_us * US),
        "end_ns": EPOCH_NS + round(end_us * US),
        **facts,
    }


def matched(
    made: pd.DataFrame,
    groups: Mapping[str, tuple[int, ...]] | None = None,
    hosts: Mapping[int, str | None] | None = None,
) -> Matched:
    named = [ProcessGroup(name, "", ranks) for name, ranks in (groups or {}).items()]
    ranks = [int(rank) for rank in made["rank"].unique()]
    rows = rows_of(made, {rank: [one for one in named if rank in one.ranks] for rank in ranks})
    return match(rows, sorted({one.ranks for one in named}), hosts or {})


def instances(found: Matched) -> list[list[int]]:
    return [
        np.flatnonzero(found.instance == n).tolist() for n in range(int(found.instance.max(initial=-1)) + 1)
    ]


def test_equal_comms_ids_are_one_instance_whatever_the_clocks_say() -> None:
    found = matched(
        table(
            [
                row(0, 0, 10, comms_id="18446744073709551615"),
                row(1, 900_000, 900_010, comms_id="18446744073709551615"),
                row(1, 900_020, 900_030, comms_id="7"),
            ]
        )
    )
    assert instances(found) == [[0, 1]]
    assert found.methods == ("comms_id",)
    assert len(np.unique(found.number)) == 2


def test_group_and_sequence_number_tell_groups_of_one_name_apart_by_their_members() -> None:
    facts = {"group": "tp", "seq": 1, "group_size": 2}
    found = matched(
        table(
            [row(rank, 0, 10, **facts, group_ranks=(rank // 2 * 2, rank // 2 * 2 + 1)) for rank in range(4)]
        )
    )
    assert instances(found) == [[0, 1], [2, 3]]
    assert found.methods == ("group_seq",)


def test_same_sequence_number_with_another_kind_or_size_is_refused() -> None:
    facts = {"group": "tp", "group_ranks": (0, 1)}
    found = matched(
        table(
            [
                row(0, 0, 10, seq=1, collective="all_gather", **facts),
                row(1, 0, 10, seq=1, collective="all_reduce", **facts),
                row(0, 20, 30, seq=2, payload_bytes=64, **facts),
                row(1, 20, 30, seq=2, payload_bytes=128, **facts),
                row(0, 40, 50, seq=3, **facts),
                row(1, 40, 50, seq=3, **facts),
            ]
        )
    )
    assert instances(found) == [[4, 5]]
    assert found.refused.tolist() == [True] * 4 + [False] * 2


def test_uneven_all_to_all_matches_although_its_payload_differs_over_ranks() -> None:
    facts = {"group": "ep", "group_ranks": (0, 1), "collective": "all_to_all", "seq": 1}
    found = matched(
        table([row(0, 0, 10, payload_bytes=10, **facts), row(1, 0, 10, payload_bytes=90, **facts)])
    )
    assert instances(found) == [[0, 1]]


def test_an_instance_that_a_present_member_lacks_is_unmatched_and_counted_once() -> None:
    facts = {"group": "tp", "group_ranks": (0, 1, 2)}
    found = matched(
        table(
            [row(rank, 0, 10, seq=1, **facts) for rank in (0, 1)]
            + [row(rank, 20, 30, seq=2, **facts) for rank in (0, 1, 2)]
        )
    )
    assert instances(found) == [[2, 3, 4]]
    assert len(np.unique(found.number)) == 2


def test_a_member_that_was_not_recorded_is_not_waited_for() -> None:
    facts = {"group": "tp", "group_ranks": (0, 1, 2), "seq": 1}
    assert instances(matched(table([row(rank, 0, 10, **facts) for rank in (0, 1)]))) == [[0, 1]]


def test_coalesced_collectives_share_a_sequence_number_and_are_taken_in_turn() -> None:
    facts = {"group": "tp", "group_ranks": (0, 1), "seq": 1}
    found = matched(
        table(
            [
                row(0, 0, 10, payload_bytes=1, **facts),
                row(0, 10, 20, payload_bytes=2, **facts),
                row(1, 0, 10, payload_bytes=1, **facts),
                row(1, 10, 20, payload_bytes=2, **facts),
            ]
        )
    )
    assert instances(found) == [[0, 2], [1, 3]]


def test_uneven_use_of_one_key_proves_nothing() -> None:
    facts = {"group": "tp", "group_ranks": (0, 1), "seq": 1}
    made = table([row(0, 0, 10, **facts), row(0, 10, 20, **facts), row(1, 0, 10, **facts)])
    assert instances(matched(made)) == []


def test_one_rank_alone_matches_nothing() -> None:
    found = matched(table([row(0, 0, 10, group="tp", seq=1), row(0, 20, 30, group="tp", seq=2)]))
    assert instances(found) == []
    assert found.methods == ()


def test_a_window_that_starts_one_collective_late_with_a_clock_300_us_ahead_pairs_like_the_clean_one() -> (
    None
):
    for kinds in ((("all_reduce", 4096),), (("all_reduce", 4096), ("all_gather", 8192))):
        made, truth = simulate(World(kinds=kinds, periodic=True, first={1: 1}, offsets_us={1: 300}))
        found = matched(made)
        assert len(instances(found)) == 39
        assert all(len(set(truth[rows])) == 1 for rows in instances(found))


def test_equal_collectives_at_equal_distances_with_unknown_clocks_are_not_guessed() -> None:
    rows = [row(0, 1000 * k, 1000 * k + 100) for k in range(20)]
    rows += [row(1, 1000 * k + 500_000_000, 1000 * k + 500_000_100) for k in range(20)]
    assert instances(matched(table(rows))) == []


def test_missing_instances_and_late_windows_of_eight_ranks_never_mispair() -> None:
    made, truth = simulate(
        World(
            ranks=8,
            count=100,
            first={1: 1, 3: 4},
            offsets_us={1: 300, 2: -4000, 5: 1e6},
            dropped=frozenset({(4, 50)}),
        )
    )
    found = instances(matched(made))
    assert len(found) == 95
    assert all(len(set(truth[rows])) == 1 and len(rows) == 8 for rows in found)


def test_thousand_random_worlds_have_no_wrong_pair_and_most_true_ones() -> None:
    random = np.random.default_rng(20261120)
    possible = paired = 0
    for seed in range(1000):
        world = random_world(random, seed)
        made, truth = simulate(world)
        rows = rows_of(made, {})
        found = match(rows, (), {})
        refused = solve_clock(rows, found.instance, {}).refused
        kept = [rows for n, rows in enumerate(instances(found)) if not refused[n]]
        wrong = [rows for rows in kept if len(set(truth[rows])) > 1]
        assert not wrong, (seed, world)
        paired += len(kept)
        possible += int(np.sum(np.bincount(truth) == world.ranks))
    assert paired > 0.8 * possible


def random_world(random: np.random.Generator, seed: int) -> World:
    ranks, count = int(random.integers(2, 4)), int(random.integers(3, 26))
    kinds = random.choice(["all_reduce", "all_gather", "reduce_scatter"], size=int(random.integers(1, 5)))
    lost = int(random.choice([0, 0, 1, 3]))
    return World(
        ranks=ranks,
        count=count,
        kinds=tuple((str(kind), int(2 ** random.integers(10, 13))) for kind in kinds),
        periodic=bool(random.integers(2)),
        regular=bool(random.random() < 0.3),
        noise_us=float(random.choice([0.5, 5, 50, 500])),
        jitter_us=float(random.choice([0.2, 2, 20])),
        offsets_us={
            rank: float(random.choice([0, 300, -300, random.uniform(-1e4, 1e4)])) for rank in range(ranks)
        },
        first={rank: int(random.choice([0, 0, 0, 1, 2])) for rank in range(ranks)},
        last={rank: count - 1 - int(random.choice([0, 0, 0, 1, 3])) for rank in range(ranks)},
        dropped=frozenset((int(random.integers(ranks)), int(random.integers(count))) for _ in range(lost)),
        seed=seed,
    )


def two_by_two(*, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Two tensor-parallel pairs (0, 1) and (2, 3), each at its own pace."""
    parts, truths = [], []
    for n, base in enumerate((0, 2)):
        made, truth = simulate(World(count=30, kinds=(("all_reduce", 4096),), seed=seed + n))
        parts.append(made.assign(rank=made["rank"] + base))
        truths.append(truth + 1000 * n)
    return pd.concat(parts, ignore_index=True), np.concatenate(truths)


@pytest.mark.parametrize("named", ["no group", "one name for both, with its size"])
def test_disjoint_groups_that_nothing_names_apart_are_told_by_which_ranks_end_together(named: str) -> None:
    made, truth = two_by_two(seed=5)
    groups: Mapping[str, tuple[int, ...]] = {}
    if named == "no group":
        groups = {"1": (0, 1), "2": (2, 3), "3": (0, 2), "4": (1, 3), "0": (0, 1, 2, 3)}
    else:
        made = made.assign(group="tp", group_size=2)
    found = instances(matched(made, groups, dict.fromkeys(range(4), "node0")))
    assert len(found) == 60
    assert all(len(set(truth[rows])) == 1 for rows in found)


def channel(*times_us: Sequence[float], sends: str = "send") -> pd.DataFrame:
    rows = []
    for start, end in times_us:
        rows.append(row(0, start, end, collective=sends, peer=1, is_p2p=True))
        rows.append(row(1, start - 5, end + 1, collective="recv", peer=0, is_p2p=True))
    return table(rows)


def test_sends_are_paired_with_the_receives_of_the_rank_they_name() -> None:
    found = matched(channel((0, 10), (100, 110), (250, 260)))
    assert instances(found) == [[0, 1], [2, 3], [4, 5]]


def posted(*, late_receive: bool) -> pd.DataFrame:
    """Sends and receives that only hand work over, between collectives the ranks share."""
    rows = []
    for k in range(4):
        at = 1000 * k
        rows += [row(rank, at, at + 50, group="tp", seq=k + 1, group_ranks=(0, 1)) for rank in (0, 1)]
        rows.append(row(0, at + 100, at + 105, collective="send", peer=1, is_p2p=True, payload_bytes=64))
        receive = at + (1400 if late_receive and k == 1 else 500)
        rows.append(row(1, receive, receive + 5, collective="recv", peer=0, is_p2p=True, payload_bytes=64))
    return table(rows)


def test_posted_sends_and_receives_are_paired_in_the_order_of_their_channel_between_shared_collectives() -> (
    None
):
    found = matched(posted(late_receive=False))
    assert [2, 3] in instances(found)
    assert len(instances(found)) == 8
    uneven = matched(posted(late_receive=True))
    assert len(instances(uneven)) == 4


def test_sends_without_receives_stay_unmatched() -> None:
    found = matched(
        table([row(0, 0, 10, collective="send", peer=1, is_p2p=True), row(1, 0, 10, seq=1, group="x")])
    )
    assert instances(found) == []


def test_a_rank_without_a_row_in_a_group_whose_clocks_are_known_fits_nothing() -> None:
    rows = rows_of(table([row(0, 0, 10), row(0, 20, 30), row(1, 0, 10)]), {})
    tracks = {0: track_of(rows, np.array([0, 1])), 1: track_of(rows, np.empty(0, np.int64))}
    found = cluster(tracks, Known({}, offsets_ns={0: 0, 1: 7}, component={0: 0, 1: 0}))
    assert found.number.tolist() == [0, 1]
    assert found.misfits == 0


def test_messages_of_both_directions_that_nothing_matched_are_counted_once_each() -> None:
    rows = [
        row(rank, 10_000 * k + 100 * rank, 10_000 * k + 100 * rank + 9, collective=kind, peer=1 - rank,
            is_p2p=True, payload_bytes=4096 * (1 + rank))
        for rank in (0, 1)
        for k, kind in enumerate(("send", "recv", "recv"))
    ]  # fmt: skip
    made = table(rows)  # sizes differ, so that no send is another's receive
    found = matched(made)
    assert instances(found) == []
    assert len(np.unique(found.number)) == 6
