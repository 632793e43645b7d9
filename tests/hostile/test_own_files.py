"""A few of the flips and kills of `benchmarks/own_files.py`, which runs a thousand: so that it stays a program."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT


@pytest.mark.slow
def test_no_flip_and_no_kill_passes_in_silence() -> None:
    command = [sys.executable, "-m", "benchmarks.own_files", "--flips", "12", "--kills", "1"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SILENT" not in done.stdout
    assert done.stdout.count("all of the") == 3
