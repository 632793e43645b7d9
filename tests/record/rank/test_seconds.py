"""Steps by the clock: ranks end them at the same collective, though their seconds pass at different places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from commscope.record.rank.seconds import STEP_S, Seconds


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

    def issued(self) -> int:
        return self.count

    def first(self, key: str, value: str) -> str:
        return self.shared.values.setdefault(key, value)

    def tell(self, key: str, value: int) -> None:
        self.shared.values[f"{key}/{self.rank}"] = str(value)

    def told(self, key: str) -> tuple[int, ...] | None:
        found = [self.shared.values.get(f"{key}/{rank}") for rank in range(self.shared.size)]
        return None if None in found else tuple(int(value) for value in found if value is not None)


def cuts_of(offsets_s: list[float], every_s: float, until_s: float) -> list[list[int]]:
    """Collectives issued at each border of each rank, which all issue one every so often, a little apart."""
    shared = Shared(len(offsets_s))
    ranks = [Told(shared, rank) for rank in range(len(offsets_s))]
    cuts: list[list[int]] = [[] for _ in ranks]
    clocks = [
        Seconds(lambda rank=rank, cut=cut: cut.append(rank.count), lambda rank=rank: rank)
        for rank, cut in zip(ranks, cuts, strict=True)
    ]
    look_s = 0.001
    for tick in range(int(until_s / look_s)):
        for rank, clock, offset_s in zip(ranks, clocks, offsets_s, strict=True):
            rank.count = max(int((tick * look_s - offset_s) / every_s), 0)
            clock.look(tick * look_s)
    return cuts


@given(st.lists(st.floats(0, 0.02), min_size=2, max_size=4), st.floats(0.03, 0.3))
def test_ranks_end_their_steps_at_the_same_collective(offsets_s: list[float], every_s: float) -> None:
    cuts = cuts_of(offsets_s, every_s, 3.5)
    assert all(cut == cuts[0] for cut in cuts)
    assert len(cuts[0]) >= 2


def test_without_collectives_in_common_a_step_ends_all_the_same() -> None:
    shared = Shared(2)
    rank = Told(shared, 0)
    ended: list[float] = []
    clock = Seconds(lambda: ended.append(1.0), lambda: rank)
    rank.count = 1
    for tick in range(2200):
        clock.look(tick * 0.001)
    assert len(ended) == 1
    assert STEP_S == 1.0


def test_nothing_is_counted_before_the_first_collective() -> None:
    rank = Told(Shared(1), 0)
    ended: list[float] = []
    clock = Seconds(lambda: ended.append(1.0), lambda: rank)
    for tick in range(5000):
        clock.look(tick * 0.001)
    assert not ended
