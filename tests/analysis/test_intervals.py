from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from commscope.analysis import intervals as iv
from commscope.analysis.result import Intervals

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


def of(spans: list[tuple[int, int]]) -> Intervals:
    return iv.union_of(np.array([s for s, _ in spans], np.int64), np.array([e for _, e in spans], np.int64))


def points(spans: list[tuple[int, int]]) -> set[int]:
    return {t for start, end in spans for t in range(start, end)}


def points_of(this: Intervals) -> set[int]:
    return points(list(zip(this.start_ns.tolist(), this.end_ns.tolist(), strict=True)))


def is_canonical(this: Intervals) -> bool:
    return bool((this.end_ns > this.start_ns).all() and (this.start_ns[1:] > this.end_ns[:-1]).all())


@given(SPANS)
def test_union_holds_the_same_points_as_a_set(spans):
    result = of(spans)
    assert points_of(result) == points(spans)
    assert is_canonical(result)
    assert iv.measure(result) == len(points(spans))


@given(SPANS, SPANS)
def test_the_algebra_agrees_with_sets_of_points(one, other):
    a, b = of(one), of(other)
    for result, expected in [
        (iv.union(a, b), points(one) | points(other)),
        (iv.intersection(a, b), points(one) & points(other)),
        (iv.difference(a, b), points(one) - points(other)),
    ]:
        assert points_of(result) == expected
        assert is_canonical(result)


@given(SPANS, st.integers(-5, 65), st.integers(-5, 65))
def test_a_window_is_split_into_inside_and_complement(spans, start, end):
    start, end = min(start, end), max(start, end)
    inside, outside = iv.clip(of(spans), start, end), iv.complement(of(spans), start, end)
    assert iv.measure(inside) + iv.measure(outside) == end - start
    assert points_of(inside) == {t for t in points(spans) if start <= t < end}
    assert points_of(inside) | points_of(outside) == set(range(start, end))


@given(SPANS, st.lists(st.tuples(st.integers(-5, 65), st.integers(0, 20)), max_size=5))
def test_measure_within_counts_the_points_of_each_span(spans, queries):
    starts = np.array([s for s, _ in queries], np.int64)
    ends = starts + np.array([length for _, length in queries], np.int64)
    expected = [len({t for t in points(spans) if s <= t < e}) for s, e in zip(starts, ends, strict=True)]
    assert iv.measure_within(of(spans), starts, ends).tolist() == expected


@given(SPANS, st.lists(st.integers(-5, 65), max_size=8))
def test_holds_tells_points_inside(spans, times):
    assert iv.holds(of(spans), times).tolist() == [t in points(spans) for t in times]


@given(SPANS, st.randoms())
def test_the_order_of_the_spans_does_not_matter(spans, random):
    shuffled = spans[:]
    random.shuffle(shuffled)
    assert points_of(of(shuffled)) == points_of(of(spans))


def test_touching_spans_become_one():
    assert of([(0, 5), (5, 9)]).start_ns.tolist() == [0]


def test_epoch_nanoseconds_stay_exact():
    start = 1_700_000_000_000_000_001
    one = iv.union_of(np.array([start]), np.array([start + 3]))
    assert iv.measure(iv.difference(one, iv.union_of(np.array([start + 1]), np.array([start + 2])))) == 2
