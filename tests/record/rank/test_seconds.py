"""Steps by the clock: ranks end them at the same collective, though their seconds pass at different places."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from commscope.record.rank.seconds import STEP_S, Alone, Seconds


class Shared:
    """What ranks of a test tell each other."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: dict[str, str] = {}


class Told:
    """One rank of a test, whose collectives are counted by hand."""

    def __init__(self, shared: Shared, rank: int) -> None:
        self.shared = shared
        self.rank = rank
        self.count = 0
        self.is_busy = False  # with a border: what it tells after it comes later
        self.later: list[tuple[str, int]] = []

    def issued(self) -> int:
        return self.count

    def tell(self, key: str, value: int) -> None:
        if self.is_busy:
            self.later.append((key, value))
            return
        self.shared.values[f"{key}/{self.rank}"] = str(value)

    def told(self, key: str) -> tuple[int, ...] | None:
        found = [self.shared.values.get(f"{key}/{rank}") for rank in range(self.shared.size)]
        return None if None in found else tuple(int(value) for value in found if value is not None)


LOOK_S = 0.001


def cuts_of(offsets_s: list[float], every_s: float, border_s: float) -> list[list[int]]:
    """Collectives issued at each border of each rank, which all issue one every so often, a little apart.

    The first rank's borders hold it up for `border_s`; the others go on to the next collective and wait.
    """
    shared = Shared(len(offsets_s))
    ranks = [Told(shared, rank) for rank in range(len(offsets_s))]
    cuts: list[list[int]] = [[] for _ in ranks]
    now_s = program_s = busy_until_s = held_at_s = 0.0

    def end(rank: Told) -> None:
        nonlocal busy_until_s, held_at_s
        cuts[rank.rank].append(rank.count)
        if rank.rank == 0:
            busy_until_s, held_at_s = now_s + border_s, program_s
            rank.is_busy = True

    clocks = [Seconds(lambda rank=rank: end(rank), lambda rank=rank: rank, lambda: now_s) for rank in ranks]
    while len(cuts[0]) < 3 and now_s < 30:
        if ranks[0].is_busy and now_s >= busy_until_s:
            ranks[0].is_busy = False
            for key, value in ranks[0].later:
                ranks[0].tell(key, value)
        for rank, clock, offset_s in zip(ranks, clocks, offsets_s, strict=True):
            if not rank.is_busy:
                rank.count = max(int((program_s - offset_s) / every_s), 0)
                clock.look()
        now_s += LOOK_S
        is_held = ranks[0].is_busy and program_s - held_at_s >= every_s
        program_s += 0.0 if is_held else LOOK_S
    return cuts


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(0, 0.02), min_size=2, max_size=4), st.floats(0.03, 0.3), st.sampled_from((0.0, 2.5))
)
def test_ranks_end_their_steps_at_the_same_collective(
    offsets_s: list[float], every_s: float, border_s: float
) -> None:
    cuts = cuts_of(offsets_s, every_s, border_s)
    assert all(cut[:2] == cuts[0][:2] for cut in cuts)
    least = int((STEP_S - 0.05) / every_s)
    assert all(after - before >= least for before, after in pairwise(cuts[0]))


def ended_of(ranks: list[Told], looks: int) -> list[int]:
    """How often the first rank ended a step."""
    ended = [0] * len(ranks)
    now_s = 0.0

    def end(rank: int) -> None:
        ended[rank] += 1

    clocks = [
        Seconds(lambda rank=rank: end(rank.rank), lambda rank=rank: rank, lambda: now_s) for rank in ranks
    ]
    for _ in range(looks):
        for clock in clocks:
            clock.look()
        now_s += LOOK_S
    return ended


def test_without_collectives_in_common_a_step_ends_all_the_same() -> None:
    shared = Shared(2)
    ranks = [Told(shared, rank) for rank in range(2)]
    for rank in ranks:
        rank.count = 1
    assert ended_of(ranks, 2200) == [1, 1]


def test_nothing_is_counted_before_the_first_collective() -> None:
    assert ended_of([Told(Shared(1), 0)], 5000) == [0]


def test_a_rank_alone_ends_a_step_a_second() -> None:
    now_s, ended = 0.0, []
    alone = Alone(lambda: True)
    clock = Seconds(lambda: ended.append(now_s), lambda: alone, lambda: now_s)
    for _ in range(3500):
        clock.look()
        now_s += LOOK_S
    assert [round(when) for when in ended] == [1, 2, 3]


def test_a_rank_alone_waits_for_the_first_call_of_a_module() -> None:
    alone = Alone(lambda: False)
    assert [alone.issued() for _ in range(200)] == [0] * 200
    assert any(alone.issued() for _ in range(100))
