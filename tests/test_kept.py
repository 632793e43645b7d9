"""Answers of ranks kept in the user's cache: found only where they are what would be worked out."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from commscope.analysis.result import RankAnalysis
from commscope.cli.main import run as command_line
from commscope.engine import Packing, analyze, analyze_part, kept
from commscope.readers import open_run
from commscope.readers.files import user_cache
from commscope.report.contract import analysis_document, dumps
from commscope.trace import Run
from tests.conftest import CHECKOUT

SAVED = sorted((CHECKOUT / "traces").glob("gpt-*"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(user_cache.CHOSEN, str(tmp_path / "cache"))
    monkeypatch.delenv(user_cache.OFF, raising=False)
    monkeypatch.setattr(kept, "WORTH_BYTES", 0)
    return tmp_path / "cache" / kept.KIND


@pytest.fixture
def worked_out(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    ranks: list[int] = []
    real = kept.analyze_rank
    monkeypatch.setattr(kept, "analyze_rank", lambda trace: ranks.append(trace.rank) or real(trace))
    return ranks


def copied(tmp_path: Path, name: str = "run", saved: Path = SAVED[0]) -> Path:
    shutil.copytree(saved, tmp_path / name)
    return tmp_path / name


def told(run: Run) -> str:
    return dumps(analysis_document(analyze(run, jobs=1)))


def assert_same(one: Any, other: Any, at: str) -> None:
    """Equal to the last value, whatever is inside."""
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name), f"{at}.{field.name}")
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, at
        assert np.array_equal(one, other), at
        assert other.flags.writeable == one.flags.writeable, at
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        assert one.attrs == other.attrs
        assert {name: [type(cell) for cell in one[name]] for name in one} == {
            name: [type(cell) for cell in other[name]] for name in other
        }
    else:
        assert one == other, at


@pytest.mark.parametrize("saved", SAVED, ids=lambda path: path.name)
def test_an_answer_comes_back_as_it_was(saved: Path) -> None:
    packing: Packing[RankAnalysis] = Packing(RankAnalysis)
    run = open_run(saved)
    for part in run.parts:
        made = analyze_part(part, run.info)
        again = packing.unpacked(packing.packed(made))
        assert again is not None
        assert_same(made, again, "rank")


def test_real_answers_come_back_as_they_were(real_traces: Path) -> None:
    packing: Packing[RankAnalysis] = Packing(RankAnalysis)
    for path in sorted(
        path for path in real_traces.rglob("*.json.gz") if "rank" in path.name or "nccl" in path.name
    ):
        if path.stat().st_size > 300_000 or path.name.startswith("cpu_only"):
            continue
        run = open_run(path)
        made = analyze_part(run.parts[0], run.info)
        again = packing.unpacked(packing.packed(made))
        assert again is not None
        assert_same(made, again, path.name)


def test_what_was_worked_out_once_is_not_again(folder: Path, worked_out: list[int], tmp_path: Path) -> None:
    run = copied(tmp_path)
    first = told(open_run(run))
    assert sorted(worked_out) == [0, 1]
    assert told(open_run(run)) == first
    assert sorted(worked_out) == [0, 1]
    entry = next(folder.iterdir())
    assert not stat.S_IMODE(entry.stat().st_mode) & (stat.S_IWGRP | stat.S_IWOTH)


def test_wherever_the_same_run_lies_it_is_known(folder: Path, worked_out: list[int], tmp_path: Path) -> None:
    told(open_run(copied(tmp_path)))
    told(open_run(copied(tmp_path, "elsewhere")))
    assert sorted(worked_out) == [0, 1]


def test_another_content_rank_fact_or_code_is_worked_out(
    folder: Path, worked_out: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "rank0.json"
    event = {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 1, "tid": 1, "ts": 1, "dur": 5}
    trace.write_text(json.dumps({"traceEvents": [event]}))
    run = open_run(trace)
    told(run)
    (part,) = run.parts
    told(dataclasses.replace(run, parts=(dataclasses.replace(part, rank=3),)))
    told(dataclasses.replace(run, info=dataclasses.replace(run.info, world_size=8)))
    trace.write_text(json.dumps({"traceEvents": [{**event, "dur": 6}]}))
    told(run)
    assert worked_out == [0, 3, 0, 0]
    told(run)
    assert worked_out == [0, 3, 0, 0]
    monkeypatch.setattr(kept, "code_digest", lambda: "of tomorrow")
    told(run)
    assert worked_out == [0, 3, 0, 0, 0]


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_a_damaged_entry_is_made_anew(
    damage: bytes | None, folder: Path, worked_out: list[int], tmp_path: Path
) -> None:
    run = copied(tmp_path)
    first = told(open_run(run))
    for entry in folder.iterdir():
        data = bytearray(entry.read_bytes())
        data[len(data) // 2] ^= 4
        entry.write_bytes(bytes(data) if damage is None else damage)
    assert told(open_run(run)) == first
    assert sorted(worked_out) == [0, 0, 1, 1]
    assert told(open_run(run)) == first
    assert sorted(worked_out) == [0, 0, 1, 1]


def test_a_disk_that_is_full_costs_the_cache_only(
    folder: Path, worked_out: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", full)
        first = told(open_run(run))
    assert not list(folder.iterdir())
    assert first == told(open_run(run))


def test_what_is_off_or_small_is_not_kept(
    folder: Path, worked_out: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(tmp_path)
    monkeypatch.setattr(kept, "WORTH_BYTES", 4 << 20)
    told(open_run(run))
    monkeypatch.setattr(kept, "WORTH_BYTES", 0)
    monkeypatch.setenv(user_cache.OFF, "1")
    told(open_run(run))
    assert not folder.exists() or not list(folder.iterdir())


def test_many_small_ranks_make_a_run_worth_keeping(
    folder: Path, worked_out: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for rank in range(8):
        text = json.dumps({"traceEvents": [], "distributedInfo": {"rank": rank, "world_size": 8}})
        (run / f"rank{rank}.json.gz").write_bytes(gzip.compress(text.encode()))
    size = (run / "rank0.json.gz").stat().st_size
    monkeypatch.setattr(kept, "WORTH_BYTES", 5 * size)
    told(open_run(run))
    assert len(list(folder.iterdir())) == 8


def test_workers_find_what_this_process_kept(folder: Path, tmp_path: Path) -> None:
    run = open_run(copied(tmp_path))
    first = told(run)
    stamps = {entry: entry.stat().st_ino for entry in folder.iterdir()}
    assert dumps(analysis_document(analyze(run, jobs=2))) == first
    assert {entry: entry.stat().st_ino for entry in folder.iterdir()} == stamps


def test_the_command_shows_and_clears_what_is_kept_and_nothing_else(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(open_run(copied(tmp_path)))
    (folder / f".{'0' * 40}.abc.partial").write_bytes(b"of a process that was killed")
    mine = folder / "notes.txt"
    mine.write_text("not a cache entry")
    assert command_line(["cache"]) == 0
    assert "ranks          3" in capsys.readouterr().out
    assert command_line(["cache", "clear"]) == 0
    assert "3 entries removed" in capsys.readouterr().out
    assert list(folder.iterdir()) == [mine]
    assert command_line(["cache", "show"]) == 0
    assert "ranks          0" in capsys.readouterr().out
