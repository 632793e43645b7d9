"""What a figure is drawn of, narrowed to what a reader picked out."""

from __future__ import annotations

import dataclasses

import pandas as pd

from commscope.analysis.result import Stall
from commscope.figures.drawing.subject import Focus, Focused, shown
from tests.analyses import make_analysis


def stalls_of(table: pd.DataFrame) -> tuple[Stall, ...]:
    analysis = dataclasses.replace(make_analysis(late_ns={1: 5_000}), instances=table)
    (run,) = shown(Focused(analysis, Focus(phase="forward")), "step 1")
    return run.stalls


def test_waits_of_a_phase_that_lie_over_each_other_count_once() -> None:
    table = make_analysis(late_ns={1: 5_000}).instances
    once = stalls_of(table)
    assert [(stall.victim, stall.culprit) for stall in once] == [(0, 1)]
    assert once[0].wait_ns > 0
    twice = pd.concat([table, table.assign(index=table["index"] + len(table))], ignore_index=True)
    assert stalls_of(twice) == once
