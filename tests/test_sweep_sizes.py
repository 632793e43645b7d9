"""Sizes that a layout of a sweep names are those it is recorded with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commscope.cli import sweep

pytest.importorskip("torch")


def test_a_size_in_the_layout_wins_over_the_option(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(sweep, "run_request", lambda request: asked.append(request) or request.output)
    sizes = {"layers": 2, "hidden": 128, "steps": 2, "runs": str(tmp_path), "workload": "gpt", "weak": False}
    sweep._recorded("tp=2,hidden=256", suffix="", force=False, **sizes)
    sweep._recorded("tp=2", suffix="", force=False, **sizes)
    assert [request.model.hidden for request in asked] == [256, 128]
