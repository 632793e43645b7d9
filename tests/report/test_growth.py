"""Twice the steps, twice the work: counted, not timed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commscope.report import contract
from tests.analyses import make_analysis


def test_a_document_looks_at_each_step_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = contract.collective_totals

    def counted(analysis: object, window: str) -> object:
        seen.append(len(analysis.instances))  # type: ignore[attr-defined]
        return real(analysis, window)  # type: ignore[arg-type]

    monkeypatch.setattr(contract, "collective_totals", counted)
    analysis = make_analysis(steps=12)
    document = contract.analysis_document(analysis)
    assert sum(seen) == 2 * len(analysis.instances)  # the capture holds all, the steps together as many
    assert {row["window"] for row in document["collectives"]} == {window.name for window in analysis.windows}
    empty = replace(analysis, instances=analysis.instances[:0])
    seen.clear()
    assert contract.analysis_document(empty)["collectives"] == []
    assert len(seen) == 1
