"""Every command in the README is run here, on the runs of one demo."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, Demo

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
TEXT = re.findall(r"^```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
TYPED = [line[2:] for block in CONSOLE for line in block.splitlines() if line.startswith("$ ")]
QUOTED = re.findall(r"`(commscope [a-z]+ [^`]+)`", README)
COMMANDS = sorted({line for line in [*TYPED, *QUOTED] if line.startswith("commscope ")})
ELSEWHERE = {"make demo", "make test", "pip install 'commscope[record,dashboard] @ .'"}


@pytest.fixture(scope="module")
def place(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as it is after `make demo` in a clone."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "runs").mkdir()
    (folder / "runs" / "demo").symlink_to(demo.folder)
    (folder / "traces").symlink_to(CHECKOUT / "traces")
    return folder


def start(command: str, place: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "commscope", *shlex.split(command)[1:]]
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, cwd=place, text=True, stdout=pipe, stderr=pipe, env=environment)


def test_nothing_is_typed_in_the_readme_that_no_test_runs() -> None:
    assert {line for line in TYPED if not line.startswith("commscope ")} <= ELSEWHERE
    assert len(COMMANDS) >= 9


@pytest.mark.parametrize("command", [line for line in COMMANDS if "dashboard" not in line])
def test_the_command_works(command: str, place: Path) -> None:
    process = start(command, place)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", [line for line in COMMANDS if "dashboard" in line])
def test_the_dashboard_starts_and_ctrl_c_ends_it_with_130(command: str, place: Path) -> None:
    process = start(f"{command} --no-browser --port 0", place)
    assert process.stderr is not None
    # The pipe ends when the process does, so this loop does too.
    said = next(line for line in process.stderr if "http://127.0.0.1" in line)
    url = said.split()[2]
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors


def test_make_demo_runs_the_demo(tmp_path: Path) -> None:
    said = subprocess.run(["make", "-n", "demo"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert ".venv/bin/commscope demo --output runs/demo" in said.stdout


def test_the_ci_recipe_is_ten_lines_and_its_check_passes() -> None:
    recipe = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[0]
    assert len(recipe.splitlines()) <= 10
    steps = [line.split("run: ")[1] for line in recipe.splitlines() if "run: " in line]
    assert steps[0] == "pip install ci/commscope-*.whl"  # what that gives is tried in test_install.py
    arguments = [sys.executable, "-m", "commscope", *shlex.split(steps[1])[1:]]
    done = subprocess.run(arguments, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("pass: ")


EXACT = (
    "It moves ",
    "Operators a step: ",
    "Its memory peak ",
    "forward ",
    "backward ",
    "other ",
    "all ",
)


def test_what_is_exact_in_the_readme_s_output_is_what_a_demo_prints(demo: Demo) -> None:
    """Bytes, counts, operations and memory are the same on every machine; times are not."""
    (shown,) = [block for block in TEXT if block.startswith("tp2 → tp2-sp: ")]
    printed = " ".join(demo.stdout.split())
    exact = [" ".join(line.split()) for line in sentences(shown) if line.startswith(EXACT)]
    assert len(exact) >= 10, exact
    for line in exact:
        assert line in printed, line
    assert shown.split("; step")[0] in printed


def sentences(shown: str) -> list[str]:
    """Bullets on one line each, and rows of tables."""
    joined: list[str] = []
    for line in shown.splitlines():
        if line.startswith("  ") and joined and joined[-1].startswith("- "):
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line.strip())
    return [line.removeprefix("- ") for line in joined]


def test_the_page_on_the_gate_begins_with_commands_that_work(demo: Demo, tmp_path: Path) -> None:
    """As a fresh clone runs them, with the recording of the demo for that of the first line."""
    page = (CHECKOUT / "docs" / "check.md").read_text(encoding="utf-8")
    record, *checks = re.findall(r"^commscope .*?(?=\s*(?:#.*)?$)", page, re.MULTILINE)
    assert record == "commscope record gpt --tp 2 -o runs/tp2"
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "tp2").symlink_to(demo.baseline)
    assert len(checks) == 2
    for command in checks:
        process = start(command, tmp_path)
        out, errors = process.communicate(timeout=300)
        assert process.returncode == 0, out + errors
    assert (tmp_path / "traces" / "tp2" / "expected.json").is_file()
