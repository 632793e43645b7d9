"""Scaling tables on runs whose times are set by hand."""

from __future__ import annotations

import dataclasses

import pytest

from commscope.analysis.result import Analysis
from commscope.compare.scaling import scaling_rows
from commscope.trace import Layout, StepTime
from tests.analyses import TINY_GPT, make_analysis


def timed(name: str, layout: Layout, step_ns: int, layers: int = 2) -> Analysis:
    analysis = make_analysis(name=name, layout=layout, ranks=layout.tp)
    model = dataclasses.replace(TINY_GPT, layers=layers)
    times = tuple(
        StepTime(rank, step, step_ns, profiled=False) for rank in analysis.ranks for step in range(3)
    )
    return dataclasses.replace(analysis, run=dataclasses.replace(analysis.run, model=model, step_times=times))


def test_half_the_time_on_twice_the_ranks_is_full_efficiency() -> None:
    one, two = scaling_rows([[timed("tp2", Layout(tp=2), 1_000_000)], [timed("tp4", Layout(tp=4), 500_000)]])
    assert (one.speedup, one.efficiency) == (1.0, 1.0)
    assert two.ranks == 4
    assert two.speedup == pytest.approx(2.0)
    assert two.efficiency == pytest.approx(1.0)


def test_a_growing_model_in_constant_time_stays_efficient_though_it_is_no_faster() -> None:
    rows = scaling_rows([[timed("a", Layout(tp=2), 10**6)], [timed("b", Layout(tp=4), 10**6, layers=4)]])
    assert rows[1].speedup == pytest.approx(1.0)
    head = 2 * 64 * 2 * 128 * 256 * 3  # the head does not grow with the layers, so slightly less than 1
    layer = 3 * (2 * 128 * (4 * 128 * 128 + 2 * 128 * 512) + 4 * 2 * 64**2 * 128)
    assert rows[1].efficiency == pytest.approx((4 * layer + head) / (2 * (2 * layer + head)))


def test_without_a_model_efficiency_is_absent_and_not_zero() -> None:
    analysis = timed("a", Layout(tp=2), 10**6)
    bare = dataclasses.replace(analysis, run=dataclasses.replace(analysis.run, model=None))
    assert scaling_rows([[bare]])[0].efficiency is None


def test_a_ratio_of_times_is_shown_by_three_recordings_that_agree() -> None:
    before, after = timed("a", Layout(tp=2), 10**6), timed("b", Layout(tp=2, sp=True), 5 * 10**5)
    assert scaling_rows([[before], [after]])[1].doubt.startswith("one recording a side")
    assert not scaling_rows([[before] * 3, [after] * 3])[1].doubt
    assert scaling_rows([[before] * 3, [before] * 3])[1].doubt
