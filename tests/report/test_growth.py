"""Twice the steps, twice the work: counted, not timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pandas as pd
import pytest

from commscope.analysis.result import Analysis, RankBreakdown
from commscope.analysis.waits import stalls_of
from commscope.check import snapshot
from commscope.report.analysis_sections import analysis_sections
from commscope.report.contract import analysis_document
from commscope.schema import Phase
from tests.analyses import make_analysis


@pytest.fixture
def grouped(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every table that is divided into groups, and of what is picked out of one."""
    seen: list[int] = []
    for kind, name in ((pd.DataFrame, "groupby"), (pd.Series, "groupby"), (pd.DataFrame, "__getitem__")):

        def counted(
            self: pd.DataFrame, *args: object, real: object = getattr(kind, name), **more: object
        ) -> object:
            seen.append(len(self))
            return real(self, *args, **more)  # type: ignore[operator]

        monkeypatch.setattr(kind, name, counted)
    return seen


def test_a_document_sums_all_steps_at_once(grouped: list[int]) -> None:
    """Each step was summed by itself, at about 20 ms a step."""
    costs = []
    for steps in (12, 24):
        analysis = make_analysis(steps=steps)
        grouped.clear()
        document = analysis_document(analysis)
        costs.append((len(grouped), sum(grouped)))
        assert {row["window"] for row in document["collectives"]} == {one.name for one in analysis.windows}
    (calls, rows), (calls_of_twice, rows_of_twice) = costs
    assert calls_of_twice == calls
    assert rows_of_twice <= 2.5 * rows


def test_stalls_of_all_steps_are_summed_at_once(grouped: list[int]) -> None:
    calls = []
    for steps in (12, 24):
        table = make_analysis(steps=steps, late_ns={1: 5_000}).instances
        grouped.clear()
        assert len(stalls_of(table, {}, {})) == steps + 1
        calls.append(len(grouped))
    assert calls[0] == calls[1]


class Read(tuple[RankBreakdown, ...]):
    """Rows that count how often they are gone through."""

    __slots__ = ()
    times = 0

    def __iter__(self) -> Iterator[RankBreakdown]:
        Read.times += 1
        return super().__iter__()


@pytest.mark.parametrize("told", [analysis_document, analysis_sections, snapshot])
def test_rows_of_the_breakdown_are_gone_through_as_often_however_many_steps(
    told: Callable[[Analysis], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step looked for its rows among all: of 8,000 steps 11 s of 12."""
    times = []
    for steps in (12, 24):
        made = make_analysis(steps=steps, operators={Phase.FORWARD: 1})
        monkeypatch.setattr(Read, "times", 0)
        told(replace(made, breakdown=Read(made.breakdown)))
        times.append(Read.times)
    assert times[0] == times[1] > 0


def test_a_document_of_no_collectives() -> None:
    analysis = make_analysis(steps=2)
    assert analysis_document(replace(analysis, instances=analysis.instances[:0]))["collectives"] == []
