"""Attempts to make the gate green although something was not checked, or is not what was recorded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from commscope.cli.main import run
from tests.conftest import CHECKOUT

TRACES = CHECKOUT / "traces"
NAMES = ("gpt-tp2", "gpt-tp2-sp")
Arguments = list[object]
Attempt = Callable[[Path], "Arguments | None"]  # changes the place; the arguments, where they are others


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recorded runs in runs/, and the saved ones with what is expected of them in traces/."""
    for name in NAMES:
        shutil.copytree(TRACES / name, tmp_path / "traces" / name)
        shutil.copytree(
            TRACES / name, tmp_path / "runs" / name, ignore=shutil.ignore_patterns("expected.json")
        )
    (tmp_path / "outside").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(arguments: Arguments) -> int:
    return run(["check", *map(str, arguments)])


def against(*rest: object) -> Arguments:
    return ["runs", "--baseline", "traces", *rest]


def test_what_is_whole_passes(place: Path) -> None:
    assert check(against()) == 0
    assert check(["--baseline", "traces"]) == 0
    assert check(["traces/gpt-tp2", "--baseline", "traces"]) == 0


def make(path: str, content: str | bytes | None = None) -> Attempt:
    """A folder, or a file with that content."""

    def attempt(place: Path) -> None:
        target = place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            target.mkdir()
        else:
            target.write_bytes(content if isinstance(content, bytes) else content.encode())

    return attempt


def drop(*paths: str, saved: bool = False) -> Attempt:
    """Files or folders gone; `saved` asks for the saved runs."""

    def attempt(place: Path) -> Arguments | None:
        for path in paths:
            target = place / path
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        return ["--baseline", "traces"] if saved else None

    return attempt


def change(path: str, edit: Callable[[bytes], bytes]) -> Attempt:
    """A file with other bytes."""

    def attempt(place: Path) -> None:
        (place / path).write_bytes(edit((place / path).read_bytes()))

    return attempt


def facts(path: str, **changes: object) -> Attempt:
    """Other facts in a JSON file."""
    return change(path, lambda data: json.dumps({**json.loads(data), **changes}).encode())


def config(text: str, name: str = "rules.toml") -> Attempt:
    """Rules named on the command line."""

    def attempt(place: Path) -> Arguments:
        (place / name).write_text(text)
        return against("--config", name)

    return attempt


def copy(source: str, target: str) -> Attempt:
    """Something of another saved run."""

    def attempt(place: Path) -> None:
        if (TRACES / source).is_dir():
            shutil.rmtree(place / target, ignore_errors=True)
            shutil.copytree(TRACES / source, place / target)
        else:
            shutil.copyfile(TRACES / source, place / target)

    return attempt


def arguments(*given: object) -> Attempt:
    return lambda _: list(given)


def flipped(data: bytes) -> bytes:
    middle = len(data) // 3
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


def empty_run(place: Path) -> None:
    shutil.rmtree(place / "runs" / "gpt-tp2")
    make("runs/gpt-tp2/rank0.json", '{"traceEvents": []}')(place)
    make("runs/gpt-tp2/rank1.json", '{"traceEvents": []}')(place)


def dangling(place: Path) -> None:
    shutil.rmtree(place / "runs" / "gpt-tp2")
    (place / "runs" / "gpt-tp2").symlink_to(place / "nowhere")


def swapped(place: Path) -> None:
    first, second = (place / "traces" / name / "expected.json" for name in NAMES)
    first.write_bytes(second.read_bytes())


ATTEMPTS: dict[str, Attempt] = {
    "a recording that left nothing": make("runs/failed"),
    "a recording that left logs": make("runs/failed/logs/rank0.stderr.log", "killed"),
    "a recording that was killed": make("runs/failed/.commscope/request.json", "{}"),
    "a recording that left its facts": make(
        "runs/failed/run.json", '{"schema": "commscope.run/1", "complete": false}'
    ),
    "a run too deep to be found": make("runs/a/b/c/d/rank0.json", '{"traceEvents": []}'),
    "a file that is no trace": make("runs/failed/rank0.json", "{}"),
    "a run is gone": drop("runs/gpt-tp2"),
    "a run is gone and leads nowhere": dangling,
    "all runs are gone": drop("runs/gpt-tp2", "runs/gpt-tp2-sp"),
    "a run lost its traces": drop("runs/gpt-tp2/rank0.parquet", "runs/gpt-tp2/rank1.parquet"),
    "a run lost a rank": drop("runs/gpt-tp2/rank1.parquet"),
    "a run lost its facts": drop("runs/gpt-tp2/run.json"),
    "a run without events": empty_run,
    "a saved run is gone": drop("traces/gpt-tp2/rank0.parquet", "traces/gpt-tp2/rank1.parquet", saved=True),
    "a saved run and its facts are gone": drop(
        "traces/gpt-tp2/rank0.parquet", "traces/gpt-tp2/rank1.parquet", "traces/gpt-tp2/run.json", saved=True
    ),
    "a saved rank is gone": drop("traces/gpt-tp2/rank1.parquet", saved=True),
    "half a trace": change("runs/gpt-tp2/rank0.parquet", lambda data: data[: len(data) // 2]),
    "an empty trace": change("runs/gpt-tp2/rank0.parquet", lambda _: b""),
    "a trace of nonsense": change("runs/gpt-tp2/rank0.parquet", lambda _: b"PAR1" * 100),
    "one bit of a trace": change("runs/gpt-tp2/rank0.parquet", flipped),
    "a recording that did not end": facts("runs/gpt-tp2/run.json", complete=False),
    "another number of ranks": facts("runs/gpt-tp2/run.json", world_size=4),
    "another model": facts(
        "runs/gpt-tp2/run.json",
        model={**json.loads((TRACES / "gpt-tp2/run.json").read_text())["model"], "hidden": 7},
    ),
    "a rank of another run": copy("gpt-tp2-recompute-full/rank1.parquet", "runs/gpt-tp2/rank1.parquet"),
    "a rank twice": copy("gpt-tp2/rank0.parquet", "runs/gpt-tp2/rank1.parquet"),
    "another run of that name": copy("gpt-tp2-recompute-full", "runs/gpt-tp2"),
    "a run nobody expects": copy("gpt-dp2-ddp", "runs/gpt-dp2-ddp"),
    "what is expected of another": swapped,
    "nothing is expected": change("traces/gpt-tp2/expected.json", lambda _: b"{}"),
    "no run is expected": facts("traces/gpt-tp2/expected.json", runs=[]),
    "another schema": facts("traces/gpt-tp2/expected.json", schema="commscope.expected/9"),
    "half of what is expected": change("traces/gpt-tp2/expected.json", lambda data: data[: len(data) // 2]),
    "no baselines": arguments("runs", "--baseline", "outside"),
    "no baseline folder": arguments("runs", "--baseline", "nowhere"),
    "a run without a name": arguments("", "--baseline", "traces"),
    "a run that is not there": arguments("runs/gpt-tp2", "runs/gpt-tp3", "--baseline", "traces"),
    "rules that are not there": arguments(*against("--config", "nowhere.toml")),
    "empty rules": config(""),
    "a misspelled table": config('[chek]\n"step.time" = "off"\n'),
    "a misspelled table of tools": config('[tool.comscope.check.metrics]\n"x" = {increase = "5 %"}\n'),
    "a table of others": config("[tool.ruff]\nline-length = 110\n", "pyproject.toml"),
    "a table beside ours": config('[check]\nbaseline = "traces"\n[metrics]\n"step.time" = "off"\n'),
    "an empty table": config("[check]\n"),
    "a budget nothing has": config('[metrics]\n"step.tme" = {increase = "5 %"}\n'),
    "rules for runs that are not there": config('[runs."tp3*".metrics]\n"step.time" = {increase = "5 %"}\n'),
    "a misspelled level": config('[metrics]\n"step.time" = {level = "eror", increase = "5 %"}\n'),
    "everything off": config('defaults = false\n[metrics]\n"*" = "off"\n'),
    "an expectation that cannot be told": config('[expect]\n"memory.peek" = "<= 4 GiB"\n'),
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_the_gate_is_not_green(attempt: Attempt, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = attempt(place)
    assert check(against() if given is None else given) in (1, 2)
    said = capsys.readouterr()
    assert "pass: " not in said.out
    assert "Traceback" not in said.err
    assert "a fault of ours" not in said.err


def test_what_was_not_visited_is_listed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drop("runs/gpt-tp2")(place)
    make("runs/failed")(place)
    assert check(against("--format", "json")) == 2
    document = json.loads(capsys.readouterr().out)
    told = {
        one["run"]: (one["status"], *one["notes"]) for one in document["runs"] if one["status"] == "error"
    }
    assert told == {
        "failed": ("error", "there is no run in runs/failed"),
        "gpt-tp2": ("error", "the baseline knows gpt-tp2, but there is no run of it"),
    }


@pytest.mark.parametrize("name", ["commscope.toml", "pyproject.toml"])
def test_rules_found_nearby_that_say_nothing_are_told(name: str, place: Path) -> None:
    (place / name).write_text('[tool.comscope.check.metrics]\n"x" = {increase = "5 %"}\n')
    assert check(against()) == 2


def test_a_project_of_others_needs_no_rules(place: Path) -> None:
    (place / "pyproject.toml").write_text("[tool.ruff]\nline-length = 110\n")
    assert check(against()) == 0


def test_a_baseline_that_cannot_be_written_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "taken").write_text("a file")
    assert check(["runs/gpt-tp2", "--baseline", "taken", "--update-baseline"]) == 2
    assert "cannot write the baseline" in capsys.readouterr().err


def test_a_name_that_is_no_utf_8_gets_a_baseline_of_its_own(place: Path) -> None:
    odd = place / "runs" / "tp\udcff2"
    shutil.copytree(place / "runs" / "gpt-tp2", odd)
    assert check([odd, "--baseline", "new", "--update-baseline"]) == 0
    assert check([odd, "--baseline", "new"]) == 0
