"""Exposed time that no match splits is neither transfer nor wait: not in a snapshot, not in a gate's why."""

from __future__ import annotations

from dataclasses import replace

from commscope.analysis.result import Analysis
from commscope.check import snapshot
from commscope.check.rows.why import Context
from commscope.check.rows.why_slower import why_slower
from commscope.check.samples.sides import Sides
from tests.analyses import make_analysis

MS = 1_000_000
BASE = make_analysis()


def split(analysis: Analysis, exposed_ns: int, wait_ns: int | None, unknown_ns: int) -> Analysis:
    """The same with this exposed time on every rank and step."""
    rows = tuple(
        replace(row, exposed_ns=exposed_ns, exposed_wait_ns=wait_ns, exposed_unknown_ns=unknown_ns)
        for row in analysis.breakdown
    )
    return replace(analysis, breakdown=rows)


def why(before: Analysis, after: Analysis) -> str:
    sides = Sides((snapshot(before),), (snapshot(after),))
    sides = Sides(*((replace(runs[0], caused_wait_ns={}),) for runs in (sides.baseline, sides.candidate)))
    return why_slower("step.time", Context(sides))


def test_a_wait_that_is_not_told_is_left_out_of_the_parts() -> None:
    parts = snapshot(split(BASE, 7 * MS, None, 7 * MS)).rank_parts_ns[0]
    assert "exposed_wait" not in parts
    assert "exposed_transfer" not in parts
    assert parts["exposed_unknown"] == 7 * MS


def test_what_is_told_in_part_is_three_parts() -> None:
    parts = snapshot(split(BASE, 7 * MS, 2 * MS, 1 * MS)).rank_parts_ns[0]
    assert parts["exposed_wait"] == 2 * MS
    assert parts["exposed_transfer"] == 4 * MS
    assert parts["exposed_unknown"] == 1 * MS


def test_a_split_without_doubt_has_no_third_part() -> None:
    assert "exposed_unknown" not in snapshot(split(BASE, 7 * MS, 2 * MS, 0)).rank_parts_ns[0]


def test_exposed_time_that_one_side_does_not_split_is_told_as_one() -> None:
    before, after = split(BASE, 5 * MS, 5 * MS, 0), split(BASE, 9 * MS, None, 9 * MS)
    assert why(before, after).startswith("exposed communication grew most, by 4.00 ms a step")


def test_exposed_time_that_both_sides_split_is_told_by_its_part() -> None:
    before, after = split(BASE, 5 * MS, 2 * MS, 0), split(BASE, 9 * MS, 6 * MS, 0)
    assert why(before, after).startswith("exposed wait grew most, by 4.00 ms a step")
