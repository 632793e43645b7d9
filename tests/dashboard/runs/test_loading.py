from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commscope_dashboard.app import create_app
from commscope_dashboard.runs import loading

from commscope import engine
from commscope.errors import UnreadableTrace
from commscope.readers import open_run
from commscope.trace import RankPart, RunInfo


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
    entry = next((tmp_path / "cache").iterdir())
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
