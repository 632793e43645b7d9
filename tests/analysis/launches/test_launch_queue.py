"""Launches that stood because their queue was full: which, and until which kernel began."""

from __future__ import annotations

import numpy as np

from commscope.analysis.launches.full_queue import queued_calls
from tests.analysis.far_ahead import PLACES, Launches, launched


def pairs(asked: Launches) -> list[tuple[int, int]]:
    start, end, begun = launched(asked)
    each = np.arange(asked.count)
    released, held = queued_calls((start, end), each, begun, (each % asked.streams).astype(np.int32))
    return sorted(zip(held.tolist(), released.tolist(), strict=True))


def test_a_launch_stands_until_the_one_a_queue_before_it_has_begun() -> None:
    found = pairs(Launches(1_500))
    # launch k would return at 2 (k + 1), its place is free at 20 (k - 1000) + 4: later from 1,112 on
    assert found == [(call, call - PLACES) for call in range(1_112, 1_500)]


def test_each_stream_has_a_queue_of_its_own() -> None:
    found = pairs(Launches(3_000, streams=2))
    assert len(found) >= 240  # both get a place at once, so every other launch stands
    assert all(call - released == 2 * PLACES for call, released in found)


def test_a_launch_that_takes_long_where_there_is_room_does_not_stand() -> None:
    assert pairs(Launches(900)) == []
    assert pairs(Launches(900, hiccup=700)) == []
    assert 700 not in [call for call, _ in pairs(Launches(1_500, hiccup=700))]


def test_few_launches_ahead_are_no_full_queue() -> None:
    assert pairs(Launches(400, hiccup=390)) == []


def test_a_graph_of_many_kernels_takes_long_by_itself() -> None:
    start, end, begun = launched(Launches(1_500))
    graph = np.minimum(np.arange(1_500), 1_400)  # the last hundred kernels are one launch
    released, held = queued_calls((start, end), graph, begun, np.zeros(1_500, dtype=np.int32))
    assert 1_400 not in held
    assert held.tolist() == list(range(1_112, 1_400))
    assert (held - released == PLACES).all()


def test_kernels_without_launches_stand_for_nothing() -> None:
    start, end, begun = launched(Launches(1_500))
    released, held = queued_calls((start, end), np.full(1_500, -1), begun, np.zeros(1_500, dtype=np.int32))
    assert len(released) == len(held) == 0
