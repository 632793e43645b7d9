"""Files of ours that changed since they were written: told, made anew, never other numbers without a word."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest

from commscope.analysis.result import Analysis
from commscope.engine import analyze
from commscope.errors import CommScopeError, UnreadableTrace, UsageProblem
from commscope.readers import open_run, read_rank, slim
from commscope.readers.files.user_cache import drop_oldest, user_cache
from commscope.readers.slim import cache
from commscope.readers.slim.parquet_file import write_trace
from commscope.report.contract import analysis_document, dumps
from commscope.trace import RankPart
from tests.conftest import CHECKOUT
from tests.readers.chrome_files import names, op, text_of, write

SAVED = CHECKOUT / "traces" / "gpt-tp2"


def flip(file: Path, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def numbers(analysis: Analysis) -> str:
    document = analysis_document(analysis)
    del document["gaps"]
    return dumps(document)


@pytest.fixture
def caching(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(cache, "WORTH_BYTES", 1)
    monkeypatch.delenv(cache.OFF, raising=False)
    monkeypatch.setenv("COMMSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / cache.KIND


def one_rank(folder: Path, name: str = "mine") -> RankPart:
    folder.mkdir(exist_ok=True)
    write(folder, text_of([op(name, 1, 1)]), "rank0.json")
    return open_run(folder).parts[0]


def test_a_flipped_bit_in_a_slim_run_is_told(tmp_path: Path) -> None:
    slim(open_run(SAVED), tmp_path / "slim")
    whole = numbers(analyze(open_run(tmp_path / "slim"), jobs=1))
    chance = random.Random(20261126)
    told = 0
    for round_ in range(40):
        run = tmp_path / f"run{round_}"
        shutil.copytree(tmp_path / "slim", run)
        flip(run / chance.choice(("rank0.parquet", "rank1.parquet", "run.json")), chance)
        try:
            analysis = analyze(open_run(run), jobs=1)
        except CommScopeError:
            told += 1
            continue
        is_told = any(gap.is_damage for gap in analysis.gaps)
        told += is_told
        assert is_told or numbers(analysis).replace(run.name, "slim") == whole, round_
    assert told > 20


def test_a_slim_run_whose_facts_were_changed_says_so(tmp_path: Path) -> None:
    slim(open_run(SAVED), tmp_path / "slim")
    assert not [gap for gap in open_run(tmp_path / "slim").gaps if gap.is_damage]
    manifest = tmp_path / "slim" / "run.json"
    facts = json.loads(manifest.read_text())
    facts["step_times"][0]["time_ns"] += 1
    manifest.write_text(json.dumps(facts))
    assert [gap.code for gap in open_run(tmp_path / "slim").gaps] == ["changed_manifest"]


def test_a_cache_that_came_with_a_trace_is_not_believed(tmp_path: Path, caching: Path) -> None:
    part = one_rank(tmp_path / "run")
    other = one_rank(tmp_path / "other", "planted")
    trace = read_rank(other, open_run(tmp_path / "other").info)
    beside = tmp_path / "run" / ".commscope"
    beside.mkdir()
    for name in ("rank0.json.parquet", cache.entry_name(cache.content_key(part))):
        write_trace(trace, beside / name, content=cache.content_key(part))
    assert names(read_rank(part, open_run(tmp_path / "run").info)) == ["mine"]
    assert len(list(caching.iterdir())) == 2


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707, 0o720])
def test_a_cache_that_others_may_write_is_not_used(tmp_path: Path, caching: Path, mode: int) -> None:
    part = one_rank(tmp_path / "run")
    info = open_run(tmp_path / "run").info
    read_rank(part, info)
    entry = caching / cache.entry_name(cache.content_key(part))
    planted = read_rank(one_rank(tmp_path / "other", "planted"), info)
    write_trace(planted, entry, content=cache.content_key(part))
    assert names(read_rank(part, info)) == ["planted"]  # whoever may write there is believed
    caching.parent.chmod(mode)
    assert names(read_rank(part, info)) == ["mine"]
    caching.parent.chmod(0o700)
    caching.chmod(mode)
    assert names(read_rank(part, info)) == ["mine"]


def test_a_cache_of_another_user_or_a_linked_entry_is_not_used(
    tmp_path: Path, caching: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = one_rank(tmp_path / "run")
    info = open_run(tmp_path / "run").info
    planted = read_rank(one_rank(tmp_path / "other", "planted"), info)
    read_rank(part, info)
    entry = caching / cache.entry_name(cache.content_key(part))
    write_trace(planted, tmp_path / "elsewhere.parquet", content=cache.content_key(part))
    entry.unlink()
    entry.symlink_to(tmp_path / "elsewhere.parquet")
    assert names(read_rank(part, info)) == ["mine"]
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert user_cache(cache.KIND) is None


def test_the_cache_is_private_and_does_not_grow_without_end(tmp_path: Path, caching: Path) -> None:
    folder = user_cache(cache.KIND)
    assert folder == caching
    assert (folder.stat().st_mode | folder.parent.stat().st_mode) & 0o077 == 0
    for number in range(5):
        (folder / f"{number}").write_bytes(b"x" * 100)
        os.utime(folder / f"{number}", (1000 + number, 1000 + number))
    drop_oldest(folder, 250)
    assert sorted(path.name for path in folder.iterdir()) == ["3", "4"]


def test_slim_onto_itself_or_what_holds_it_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    shutil.copytree(SAVED, tmp_path / "runs" / "a")
    before = {file: file.read_bytes() for file in (tmp_path / "runs" / "a").iterdir()}
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    for out in ("runs/a", "runs", "link", "link/a"):
        with pytest.raises(UsageProblem, match="the run itself"):
            slim(open_run(tmp_path / "runs" / "a"), tmp_path / out, replace_run=True)
    assert {file: file.read_bytes() for file in (tmp_path / "runs" / "a").iterdir()} == before


def test_a_damaged_run_does_not_replace_a_good_slim_one(tmp_path: Path) -> None:
    slim(open_run(SAVED), tmp_path / "slim")
    before = {file.name: file.read_bytes() for file in (tmp_path / "slim").iterdir()}
    run = tmp_path / "run"
    run.mkdir()
    whole = text_of([op(f"op {number}", number, 1) for number in range(50)])
    write(run, whole[: len(whole) // 2], "rank0.json")
    with pytest.raises(UnreadableTrace, match="damaged run would replace"):
        slim(open_run(run), tmp_path / "slim", replace_run=True)
    (run / "rank0.json").write_bytes(b'{"traceEvents": [')
    with pytest.raises(CommScopeError):
        slim(open_run(run), tmp_path / "slim", replace_run=True)
    assert {file.name: file.read_bytes() for file in (tmp_path / "slim").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "slim"]


def test_slim_replaces_its_own_files_and_keeps_those_of_others(tmp_path: Path) -> None:
    out = tmp_path / "slim"
    slim(open_run(SAVED), out)
    (out / "rank7.parquet").write_bytes((out / "rank0.parquet").read_bytes())
    (out / "expected.json").write_text("{}")
    (out / "notes").mkdir()
    (out / "notes" / "why.txt").write_text("mine")
    one_rank(tmp_path / "run")
    slim(open_run(tmp_path / "run"), out, replace_run=True)
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert found == ["expected.json", "notes/why.txt", "rank0.parquet", "run.json"]


def test_slim_replaces_no_recording(tmp_path: Path) -> None:
    one_rank(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text('{"schema": "commscope.run/1"}')
    with pytest.raises(UsageProblem, match="no slim run"):
        slim(open_run(SAVED), tmp_path / "run", replace_run=True)
    assert (tmp_path / "run" / "rank0.json").exists()
