"""Numbers of what records name: equal for equal pairs and for no others, however large what they name is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from commscope.analysis.matching.recorded_keys import numbered

LARGEST = (1 << 63) - 1
SEQUENCES = st.one_of(st.integers(-1, 3), st.sampled_from([1 << 61, 1 << 62, LARGEST - 1, LARGEST]))


@given(st.lists(st.tuples(st.integers(-1, 5), SEQUENCES), min_size=1))
def test_pairs_are_told_apart_however_large_a_sequence_number_is(pairs: list[tuple[int, int]]) -> None:
    """Their product overflowed: an error at 2^63 - 1, and below it pairs that were equal by wrapping."""
    found = numbered(*np.array(pairs, dtype=np.int64).T)
    for (a, one), (b, other) in (
        (x, y) for x in zip(pairs, found, strict=True) for y in zip(pairs, found, strict=True)
    ):
        assert (one == other) == (a == b or (min(a) < 0 and min(b) < 0))
        assert (one < 0) == (min(a) < 0)
