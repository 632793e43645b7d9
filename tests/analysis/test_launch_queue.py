"""Launches that stood because their queue was full: which, and until which kernel began."""

from __future__ import annotations

import numpy as np

from commscope.analysis.launch_queue import queued_calls

PLACES, KERNEL_US = 1_000, 20


def launched(count: int, *, hiccup: int = -1, streams: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts and ends of launches, 2 us each, and the begins of their kernels; one launch takes 60 us by itself.

    Launches go to the streams in turn; each stream holds `PLACES` that have not begun.
    """
    start, end, begun, now = [], [], [], 0
    free = [0] * streams
    for k in range(count):
        waits_for = k - PLACES * streams
        room = begun[waits_for] + 1 if waits_for >= 0 else 0
        returned = max(now + (60 if k == hiccup else 2), room)
        begun.append(max(free[k % streams], returned + 1))
        free[k % streams] = begun[k] + KERNEL_US
        start.append(now)
        end.append(returned)
        now = returned
    return np.array(start), np.array(end), np.array(begun)


def pairs(start: np.ndarray, end: np.ndarray, begun: np.ndarray, streams: int = 1) -> list[tuple[int, int]]:
    each = np.arange(len(start))
    released, held = queued_calls((start, end), each, begun, each % streams)
    return sorted(zip(held.tolist(), released.tolist(), strict=True))


def test_a_launch_stands_until_the_one_a_queue_before_it_has_begun() -> None:
    found = pairs(*launched(1_500))
    # launch k would return at 2 (k + 1), its place is free at 20 (k - 1000) + 4: later from 1,112 on
    assert found == [(call, call - PLACES) for call in range(1_112, 1_500)]


def test_each_stream_has_a_queue_of_its_own() -> None:
    found = pairs(*launched(3_000, streams=2), streams=2)
    assert len(found) >= 240  # both get a place at once, so every other launch stands
    assert all(call - released == 2 * PLACES for call, released in found)


def test_a_launch_that_takes_long_where_there_is_room_does_not_stand() -> None:
    assert pairs(*launched(900)) == []
    assert pairs(*launched(900, hiccup=700)) == []
    assert 700 not in [call for call, _ in pairs(*launched(1_500, hiccup=700))]


def test_few_launches_ahead_are_no_full_queue() -> None:
    assert pairs(*launched(400, hiccup=390)) == []


def test_a_graph_of_many_kernels_takes_long_by_itself() -> None:
    start, end, begun = launched(1_500)
    graph = np.minimum(np.arange(1_500), 1_400)  # the last hundred kernels are one launch
    released, held = queued_calls((start, end), graph, begun, np.zeros(1_500, dtype=np.int64))
    assert 1_400 not in held
    assert held.tolist() == list(range(1_112, 1_400))
    assert (held - released == PLACES).all()


def test_kernels_without_launches_stand_for_nothing() -> None:
    start, end, begun = launched(1_500)
    released, held = queued_calls((start, end), np.full(1_500, -1), begun, np.zeros(1_500, dtype=np.int64))
    assert len(released) == len(held) == 0
