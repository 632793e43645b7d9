from __future__ import annotations

import dataclasses
import hashlib
import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commscope_dashboard.app import create_app
from commscope_dashboard.runs import loading

from commscope import engine
from commscope.compare import compare
from commscope.errors import UnreadableTrace
from commscope.readers import open_run
from commscope.report.contract import analysis_document, comparison_document
from commscope.trace import RankPart, RunInfo
from tests.conftest import CHECKOUT


@pytest.fixture
def run(real_traces: Path, tmp_path: Path) -> Path:
    shutil.copytree(real_traces / "gloo" / "colls", tmp_path / "run")
    return tmp_path / "run"


def test_a_run_is_read_once_for_analysis_and_doctor_and_again_when_its_entry_is_broken(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMSCOPE_CACHE", str(tmp_path / "cache"))
    done: list[int] = []

    def counted(part: RankPart, info: RunInfo) -> object:
        done.append(part.rank)
        return really_read(part, info)

    really_read = loading.read_rank
    monkeypatch.setattr(loading, "read_rank", counted)
    analysis, findings = loading.read_cached(run)
    assert findings
    again, _ = loading.read_cached(run)
    assert sorted(done) == list(analysis.ranks)
    assert again.matching == analysis.matching
    entry = next((tmp_path / "cache" / loading.KIND).iterdir())
    entry.write_bytes(b"half")
    assert loading.read_cached(run)[0].matching == analysis.matching
    assert sorted(done) == sorted(2 * list(analysis.ranks))


def test_one_reading_gives_what_two_gave(run: Path) -> None:
    analysis, _ = loading.read_path(run)
    alone = engine.analyze(open_run(run))
    assert analysis.breakdown == alone.breakdown
    assert analysis.instances.equals(alone.instances)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTrace):
        loading.read_cached(tmp_path / "nothing")


def test_the_recorded_file_of_a_rank_is_served_for_perfetto(run: Path) -> None:
    client = create_app([run], read=loading.read_path).server.test_client()
    with client.get("/trace/run/0") as answer:
        assert answer.status_code == 200
        assert answer.get_data().startswith(b"\x1f\x8b")
    assert client.get("/trace/run/99").status_code == 404


def test_an_analysis_comes_back_from_the_cache_as_it_was() -> None:
    for saved in sorted((CHECKOUT / "traces").glob("gpt-*")):
        read = loading.read_path(saved)
        analysis, findings = loading.PACKING.unpacked(loading.PACKING.packed(read)) or (None, None)
        assert analysis is not None
        for item in dataclasses.fields(analysis):
            if item.name not in ("instances", "skeletons", "compute"):
                found, kept = getattr(analysis, item.name), getattr(read[0], item.name)
                if isinstance(kept, pd.DataFrame):
                    pd.testing.assert_frame_equal(found, kept)
                else:
                    assert found == kept, item.name
        pd.testing.assert_frame_equal(analysis.instances, read[0].instances)
        assert repr(analysis.skeletons) == repr(read[0].skeletons)
        for one, other in zip(analysis.skeletons, read[0].skeletons, strict=True):
            for item in dataclasses.fields(one):
                assert np.array_equal(getattr(one, item.name), getattr(other, item.name)), item.name
        assert repr(analysis.compute) == repr(read[0].compute)
        assert [finding.message for finding in findings or ()] == [finding.message for finding in read[1]]
        assert analysis_document(analysis) == analysis_document(read[0])
        assert comparison_document(compare(analysis, analysis)) == comparison_document(
            compare(read[0], read[0])
        )


def test_whatever_bit_of_an_entry_flips_it_is_not_used() -> None:
    data = loading.PACKING.packed(loading.read_path(CHECKOUT / "traces" / "gpt-tp2"))
    chance = random.Random(20261126)
    for place in (0, 31, 32, len(data) - 1, *(chance.randrange(len(data)) for _ in range(200))):
        changed = bytearray(data)
        changed[place] ^= 1 << chance.randrange(8)
        assert loading.PACKING.unpacked(bytes(changed)) is None
    assert loading.PACKING.unpacked(b"") is None
    assert loading.PACKING.unpacked(hashlib.sha256(b"x").digest() + b"x") is None


class Trap:
    """What a pickle may hold."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("sprung"),)


def test_an_entry_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMMSCOPE_CACHE", str(tmp_path / "cache"))
    loading.read_cached(CHECKOUT / "traces" / "gpt-tp2")
    entries = list((tmp_path / "cache").rglob("*"))
    assert len(entries) == 2
    for entry in entries:
        if entry.is_file():
            entry.write_bytes(pickle.dumps(Trap()))
            (tmp_path / "cache" / f"{entry.name}.read").write_bytes(pickle.dumps(Trap()))
    loading.read_cached(CHECKOUT / "traces" / "gpt-tp2")
    assert not (tmp_path / "sprung").exists()
