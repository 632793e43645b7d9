"""Lateness, wait, transfer and culprit, worked out on paper."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.rows import rows_of
from commscope.analysis.waits.split import Waits, waits_of
from tests.analysis.tables import EPOCH_NS, US, World, simulate, table


def waits(
    *spans: tuple[float, float],
    clocked: bool = True,
    whole_group: bool = True,
    kinds: tuple[str, ...] = (),
    **facts: object,
) -> Waits:
    """Waits of one instance; rank r has spans[r] in us and kinds[r]."""
    rows = [
        {
            "rank": rank,
            "start_ns": EPOCH_NS + round(start * US),
            "end_ns": EPOCH_NS + round(end * US),
            "collective": kinds[rank] if kinds else "all_reduce",
            "is_p2p": bool(kinds) and kinds[0] == "send",
            **facts,
        }
        for rank, (start, end) in enumerate(spans)
    ]
    whole = np.full(len(rows), whole_group)
    return waits_of(rows_of(table(rows), {}), np.zeros(len(rows), dtype=np.int64), whole, clocked=clocked)


def in_us(values: np.ndarray) -> list[float]:
    return (values / US).tolist()


def test_in_an_all_reduce_everybody_waits_for_the_last_to_come() -> None:
    found = waits((0, 50), (30, 52), (10, 51))
    assert in_us(found.lateness_ns) == [0, 30, 10]
    assert in_us(found.wait_ns) == [30, 0, 20]
    assert in_us(found.transfer_ns) == [20, 22, 21]
    assert in_us(found.transfer_free_ns) == [22, 22, 22]
    assert found.culprit.tolist() == [1, -1, 1]


def test_a_wait_is_never_longer_than_the_collective_itself() -> None:
    found = waits((0, 20), (30, 40))
    assert in_us(found.wait_ns) == [20, 0]
    assert in_us(found.transfer_ns) == [0, 10]


def test_in_a_broadcast_only_the_root_is_waited_for() -> None:
    found = waits((20, 30), (0, 31), (25, 32), kinds=("broadcast",) * 3, peer=0)
    assert in_us(found.wait_ns) == [0, 20, 0]
    assert found.culprit.tolist()[1] == 0


def test_in_a_reduce_only_the_root_waits() -> None:
    found = waits((0, 45), (40, 44), (10, 15), kinds=("reduce",) * 3, peer=0)
    assert in_us(found.wait_ns) == [40, 0, 0]
    assert found.culprit.tolist() == [1, -1, -1]


def test_a_broadcast_whose_root_nobody_recorded_is_not_split() -> None:
    found = waits((0, 30), (20, 31), kinds=("broadcast",) * 2)
    assert found.wait_ns.tolist() == found.transfer_ns.tolist() == found.culprit.tolist() == [-1, -1]
    assert found.least_wait_ns.tolist() == [0, 0]


def test_where_a_member_was_not_recorded_those_present_tell_the_least_wait() -> None:
    found = waits((0, 50), (30, 52), whole_group=False)
    assert found.wait_ns.tolist() == found.transfer_ns.tolist() == found.culprit.tolist() == [-1, -1]
    assert in_us(found.least_wait_ns) == [30, 0]


def test_posted_messages_of_both_directions_wait_for_their_own_sender() -> None:
    """Rank 0 sends and receives at once, as in a ring; gloo's records end when the host has waited."""
    rows = [
        {"rank": 0, "start_ns": 0, "end_ns": 50, "collective": "send", "peer": 1},
        {"rank": 0, "start_ns": 5, "end_ns": 55, "collective": "recv", "peer": 1},
        {"rank": 1, "start_ns": 30, "end_ns": 52, "collective": "recv", "peer": 0},
        {"rank": 1, "start_ns": 40, "end_ns": 54, "collective": "send", "peer": 0},
    ]
    made = rows_of(table([{**row, "is_p2p": True} for row in rows]), {}, posting=(0, 1))
    found = waits_of(made, np.array([0, 1, 0, 1]), np.ones(4, dtype=np.bool_), clocked=True)
    assert found.wait_ns.tolist() == [30, 35, 0, 0]
    assert found.culprit.tolist() == [1, 1, -1, -1]


def test_a_receive_waits_for_its_send() -> None:
    found = waits((40, 50), (0, 51), kinds=("send", "recv"))
    assert in_us(found.wait_ns) == [0, 40]
    assert found.culprit.tolist() == [-1, 0]


def test_a_send_waits_for_its_receive_only_while_it_still_runs() -> None:
    held = waits((0, 50), (40, 51), kinds=("send", "recv"))
    assert in_us(held.wait_ns) == [40, 0]
    assert held.culprit.tolist() == [1, -1]
    eager = waits((0, 5), (40, 45), kinds=("send", "recv"))
    assert in_us(eager.wait_ns) == [0, 0]


def test_without_a_clock_the_shortest_duration_is_the_transfer() -> None:
    found = waits((1000, 1050), (0, 22), clocked=False)
    assert in_us(found.wait_ns) == [28, 0]
    assert in_us(found.transfer_ns) == [22, 22]
    assert found.culprit.tolist() == [1, -1]
    assert found.lateness_ns.tolist() == [-1, -1]


def test_unmatched_rows_have_no_waits() -> None:
    made = table([{"rank": 0, "start_ns": EPOCH_NS, "end_ns": EPOCH_NS + 10}])
    found = waits_of(rows_of(made, {}), np.array([-1]), np.array([False]), clocked=True)
    assert found.wait_ns.tolist() == found.transfer_ns.tolist() == found.culprit.tolist() == [-1]


@settings(max_examples=40, deadline=None)
@given(ranks=st.integers(2, 6), jitter=st.sampled_from([0.0, 2.0, 300.0]), seed=st.integers(0, 1000))
def test_wait_and_transfer_are_the_duration_and_the_last_comer_waits_for_nobody(
    ranks: int, jitter: float, seed: int
) -> None:
    made, truth = simulate(World(ranks=ranks, count=12, jitter_us=jitter, seed=seed))
    whole = np.ones(len(made), dtype=np.bool_)
    found = waits_of(rows_of(made, {}), truth.astype(np.int64), whole, clocked=True)
    duration = (made["end_ns"] - made["start_ns"]).to_numpy()
    assert np.array_equal(found.wait_ns + found.transfer_ns, duration)
    assert (found.wait_ns >= 0).all()
    assert (found.transfer_ns >= 0).all()
    assert (found.lateness_ns >= 0).all()
    table_ = pd.DataFrame(
        {"k": truth, "rank": made["rank"], "late": found.lateness_ns, "wait": found.wait_ns}
    )
    for _, one in table_.groupby("k"):
        last = one.loc[one["late"].idxmax()]
        assert last["wait"] == 0
        others = one.index[one["wait"] > 0]
        assert (found.culprit[others] == last["rank"]).all()
        assert (found.culprit[one.index] != one["rank"]).all()
