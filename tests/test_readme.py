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
