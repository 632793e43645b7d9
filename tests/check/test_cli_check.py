"""`commscope check` as CI runs it: exit codes, files, summaries, on the saved runs of this repository."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from commscope.cli.main import run
from tests.conftest import CHECKOUT

TRACES = CHECKOUT / "traces"


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one saved run and its baseline, outside this checkout's configuration."""
    folder = tmp_path / "saved"
    shutil.copytree(TRACES / "gpt-tp2", folder / "gpt-tp2")
    monkeypatch.chdir(tmp_path)
    return folder


def check(*arguments: object) -> int:
    return run(["check", *map(str, arguments)])


def test_the_saved_runs_hold_what_is_expected_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("--baseline", TRACES) == 0
    assert capsys.readouterr().out.startswith("pass: 8 runs checked")


def test_an_extra_collective_exits_1_and_the_first_row_names_it(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(TRACES / "gpt-tp2-recompute-full", "--baseline", saved / "gpt-tp2", "--format", "json") == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["status"], document["exit_code"]) == ("fail", 1)
    worst = document["runs"][0]["rows"][0]
    assert worst["metric"].startswith("collective.count")
    assert "all_reduce in recompute 0 → 4 a step" in worst["why"]


def test_a_run_without_one_of_its_ranks_is_not_green(saved: Path) -> None:
    (saved / "gpt-tp2" / "rank1.parquet").unlink()
    assert check(saved / "gpt-tp2", "--baseline", saved) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[tool.commscope.check.metrics]\n'step.tme' = {level = 'eror'}\n", "error"),
        ("[tool.commscope.check\n", "error"),
        ("[tool.commscope.check]\nbasline = 'traces'\n", "baseline"),
    ],
)
def test_a_bad_configuration_exits_2_with_a_hint(
    content: str, said: str, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(content)
    assert check(saved / "gpt-tp2", "--baseline", saved) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors


def test_an_unreadable_baseline_exits_2(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (saved / "gpt-tp2" / "expected.json").write_text("{")
    assert check(saved / "gpt-tp2", "--baseline", saved) == 2
    assert "expected.json" in capsys.readouterr().err


def test_a_damaged_run_exits_2(saved: Path) -> None:
    (saved / "gpt-tp2" / "rank0.parquet").write_bytes(b"PAR1 and then nothing")
    assert check(saved / "gpt-tp2", "--baseline", saved) == 2


def test_a_crash_exits_2_and_never_looks_like_a_broken_budget(
    saved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("commscope.check.check", crash)
    assert check(saved / "gpt-tp2", "--baseline", saved) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_expectations_hold_the_very_first_run(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "commscope.toml").write_text(
        "[expect]\n"
        '"collective.count/all_reduce/forward per layer" = 2\n'
        '"communication.wire_bytes" = "theory"\n'
        '"communication.exposed" = "<= 15% of step"\n'
    )
    assert check(saved / "gpt-tp2", "--baseline", tmp_path / "none", "--format", "json") == 1
    rows = json.loads(capsys.readouterr().out)["runs"][0]["rows"]
    assert {row["metric"]: row["status"] for row in rows} == {
        "collective.count/all_reduce/forward per layer": "ok",
        "communication.wire_bytes": "ok",
        "communication.exposed": "broken",
    }


def test_runs_that_answer_another_question_exit_2(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = saved / "gpt-tp2" / "run.json"
    facts = json.loads(manifest.read_text())
    facts["model"]["hidden"] *= 2
    manifest.write_text(json.dumps(facts))
    assert check(saved / "gpt-tp2", "--baseline", TRACES) == 2
    assert "hidden" in capsys.readouterr().out


def test_updating_writes_the_baseline_but_in_ci_still_exits_1(
    saved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = saved / "gpt-tp2" / "expected.json"
    before = expected.read_text()
    expected.unlink()
    assert check(saved / "gpt-tp2", "--baseline", saved, "--update-baseline") == 0
    assert json.loads(expected.read_text())["schema"] == json.loads(before)["schema"]
    monkeypatch.setenv("CI", "true")
    assert check(saved / "gpt-tp2", "--baseline", saved, "--update-baseline") == 1
    assert "in CI" in capsys.readouterr().err


def test_github_s_summary_and_junit_are_written_where_ci_reads_them(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, report = tmp_path / "summary.md", tmp_path / "junit.xml"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert (
        check(TRACES / "gpt-tp2-sp", "--baseline", saved / "gpt-tp2", "--format", "junit", "-o", report) == 1
    )
    assert summary.read_text().startswith("before\n## commscope check")
    assert int(ET.parse(report).getroot().get("failures", "0")) > 0


def test_history_warns_and_never_fails(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(saved / "gpt-tp2", "--baseline", saved, "--history", TRACES) == 0
    assert "change points need 20" in capsys.readouterr().out


def test_the_page_of_a_check_asks_no_host_for_anything(saved: Path, tmp_path: Path) -> None:
    page = tmp_path / "check.html"
    assert (
        check(saved / "gpt-tp2", "--baseline", saved, "--history", TRACES, "--format", "html", "-o", page)
        == 0
    )
    text = page.read_text()
    assert "default-src 'none'" in text
    assert "history-step.time" in text


def test_nothing_to_check_exits_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check("--baseline", tmp_path) == 2


def test_a_layout_without_a_baseline_of_its_own_is_not_held_against_another(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(TRACES / "gpt-tp2-sp", "--baseline", saved) == 2
    assert "no baseline named gpt-tp2-sp" in capsys.readouterr().out


def test_a_run_just_recorded_is_a_baseline_without_a_file_beside_it(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (saved / "gpt-tp2" / "expected.json").unlink()
    assert check(TRACES / "gpt-tp2", "--baseline", saved / "gpt-tp2") == 0
    assert check(TRACES / "gpt-tp2-sp", "--baseline", saved / "gpt-tp2") == 1
    assert "all_gather" in capsys.readouterr().out
    assert not (saved / "gpt-tp2" / "expected.json").exists()


def test_a_recorded_run_is_no_place_for_a_baseline(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = saved / "gpt-tp2"
    (recorded / "expected.json").unlink()
    (recorded / "rank0.json.gz").touch()
    assert check(TRACES / "gpt-tp2", "--baseline", saved, "--update-baseline") == 2
    assert "a recorded run is no place for a baseline" in capsys.readouterr().err
    assert not (recorded / "expected.json").exists()


def test_a_baseline_names_no_folder_of_the_machine_it_was_taken_on(saved: Path) -> None:
    assert check(TRACES / "gpt-tp2", "--baseline", saved.parent / "new", "--update-baseline") == 0
    written = (saved.parent / "new" / "gpt-tp2" / "expected.json").read_text()
    assert str(CHECKOUT) not in written
    assert str(saved.parent) not in written


def test_a_recording_without_one_of_its_ranks_is_not_taken_as_a_baseline(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (saved / "gpt-tp2" / "rank1.parquet").unlink()
    assert check(saved / "gpt-tp2", "--baseline", saved.parent / "new", "--update-baseline") == 2
    assert "it has no trace of rank 1" in capsys.readouterr().err
    assert not (saved.parent / "new").exists()


def test_history_alone_checks_nothing_else(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("--history", TRACES) == 0
    assert "change points need 20" in capsys.readouterr().out
    assert saved.exists()


def test_a_cause_is_annotated_once(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(TRACES / "gpt-tp2-sp", "--baseline", saved / "gpt-tp2", "--format", "github") == 1
    errors = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::error")]
    assert len(errors) == 1
    assert "more budgets moved with it" in errors[0]


def test_another_amount_a_step_is_a_change_of_the_program(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same model in the same layout with four times the batch: exit 1, and the first row says so."""
    other = tmp_path / "other" / "gpt-tp2"
    shutil.copytree(TRACES / "gpt-tp2", other, ignore=shutil.ignore_patterns("expected.json"))
    told = json.loads((other / "run.json").read_text())
    told["model"]["batch"] *= 4
    told.pop("digest", None)
    (other / "run.json").write_text(json.dumps(told))
    assert check(other, "--baseline", saved, "--format", "json") == 1
    (verdict,) = json.loads(capsys.readouterr().out)["runs"]
    assert verdict["rows"][0]["metric"] == "tokens"
    assert verdict["rows"][0]["why"] == "model.batch 2 → 8"
