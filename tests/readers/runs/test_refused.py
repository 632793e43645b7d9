"""Folders that cannot be looked into, and facts that make no sense: told, never passed over."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commscope.cli.main import run
from commscope.errors import UnreadableTrace
from commscope.readers import open_run
from commscope.readers.runs.find import find_runs
from tests.conftest import CHECKOUT
from tests.readers.chrome_files import op, text_of, write


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose second rank lies in a folder the system refuses, whoever runs this test."""
    for rank in (0, 1):
        (tmp_path / "run" / f"rank{rank}").mkdir(parents=True)
        write(tmp_path / "run" / f"rank{rank}", text_of([op("a", 1, 1)]), f"rank{rank}.json")
    refused = str(tmp_path / "run" / "rank1")
    really: Callable[..., Any] = os.scandir
    really_list: Callable[..., Any] = os.listdir

    def scandir(path: Any = ".") -> Any:
        if str(path) == refused:
            raise PermissionError(13, "Permission denied", refused)
        return really(path)

    def listdir(path: Any = ".") -> Any:
        if str(path) == refused:
            raise PermissionError(13, "Permission denied", refused)
        return really_list(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "listdir", listdir)
    return tmp_path / "run"


def test_a_folder_that_cannot_be_looked_into_is_no_missing_rank(locked: Path) -> None:
    with pytest.raises(UnreadableTrace, match="no permission"):
        open_run(locked)
    with pytest.raises(UnreadableTrace, match="no permission"):
        find_runs([locked / "rank1"])


@pytest.mark.parametrize(
    ("part", "changes"),
    [("model", {"dtype": "12"}), ("model", {"heads": 0}), ("layout", {"tp": 0}), ("layout", {"dp": -1})],
)
def test_facts_that_make_no_sense_are_left_out_and_named(
    part: str, changes: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(CHECKOUT / "traces" / "gpt-tp2", tmp_path / "run")
    manifest = tmp_path / "run" / "run.json"
    facts = json.loads(manifest.read_text())
    del facts["digest"]
    facts[part].update(changes)
    manifest.write_text(json.dumps(facts))
    (gap,) = open_run(tmp_path / "run").gaps
    assert (gap.code, part in gap.message) == ("bad_manifest", True)
    for command in (["analyze"], ["doctor"], ["compare", str(CHECKOUT / "traces" / "gpt-tp2")]):
        run([*command, str(tmp_path / "run")])
    assert "a fault of ours" not in capsys.readouterr().err


def test_a_rank_too_short_to_be_a_trace_is_serious(tmp_path: Path) -> None:
    write(tmp_path, text_of([op("a", 1, 1)]), "rank0.json")
    (tmp_path / "rank1.json").write_text('{"tra')
    (gap,) = [gap for gap in open_run(tmp_path).gaps if gap.code == "ignored_files"]
    assert gap.serious
