from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from commscope.figures.drawing.binning import Spans, covered_until, fit, spans


@st.composite
def lanes_of_spans(draw: st.DrawFn) -> Spans:
    rows = []
    for lane in range(draw(st.integers(1, 3))):
        now = 0
        for _ in range(draw(st.integers(1, 60))):
            start = now + draw(st.integers(0, 20))
            now = start + draw(st.integers(1, 30))
            rows.append((lane, start, now, draw(st.integers(0, 2))))
    return spans(rows)


@given(lanes_of_spans())
def test_few_spans_stay_as_they_are(parts: Spans) -> None:
    fitted, bin_ns = fit(parts, start_ns=0, end_ns=10_000, budget=1_000)
    assert bin_ns is None
    assert (fitted.start_ns == parts.start_ns).all()
    assert (fitted.end_ns == parts.end_ns).all()


@given(lanes_of_spans())
def test_binned_spans_of_a_lane_are_disjoint_within_the_window_and_few(parts: Spans) -> None:
    end_ns = int(parts.end_ns.max())
    fitted, _ = fit(parts, start_ns=0, end_ns=end_ns, budget=20)
    assert len(fitted) <= max(20, 16 * 3)
    for lane in range(3):
        mine = fitted.lane == lane
        assert (fitted.start_ns[mine][1:] >= fitted.end_ns[mine][:-1]).all()
        assert (fitted.start_ns[mine] >= 0).all()
        assert (fitted.end_ns[mine] <= end_ns).all()


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=20), st.integers(0, 300)
)
def test_covered_time_equals_counting_nanoseconds(gaps: list[tuple[int, int]], edge: int) -> None:
    rows, now = [], 0
    for gap, length in gaps:
        rows.append((now + gap, now + gap + length))
        now += gap + length
    import numpy as np

    starts, ends = (np.array(column) for column in zip(*rows, strict=True))
    counted = sum(any(start <= moment < end for start, end in rows) for moment in range(edge))
    assert covered_until(starts, ends, np.array([edge]))[0] == counted


def test_a_bin_shows_what_fills_most_of_it() -> None:
    rows = [(0, 10 * i, 10 * i + 6, 0) for i in range(100)] + [
        (0, 10 * i + 6, 10 * i + 9, 1) for i in range(100)
    ]
    fitted, bin_ns = fit(spans(rows), start_ns=0, end_ns=1_000, budget=20)
    assert bin_ns is not None
    assert set(fitted.code.tolist()) == {0}
    assert int((fitted.end_ns - fitted.start_ns).sum()) == 1_000
