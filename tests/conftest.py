"""Fixtures all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run as at a user's desk, wherever they run; what CI does otherwise is asked for by name."""
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture(scope="session")
def real_traces() -> Path:
    """Folder of real traces of other people's programs; where it is absent, tests skip visibly."""
    folder = Path(os.environ.get("COMMSCOPE_REAL_TRACES", CHECKOUT.parent / "shared" / "traces"))
    if not folder.is_dir():
        pytest.skip(f"no real traces at {folder}: set COMMSCOPE_REAL_TRACES")
    return folder


@pytest.fixture(scope="session")
def field_cases() -> Path:
    """Folder of small inputs made after public reports; where it is absent, tests skip visibly."""
    folder = Path(os.environ.get("COMMSCOPE_FIELD_CASES", CHECKOUT.parent / "shared" / "field"))
    if not folder.is_dir():
        pytest.skip(f"no field cases at {folder}: set COMMSCOPE_FIELD_CASES")
    return folder


@dataclass(frozen=True)
class Demo:
    """What `commscope demo` left, and what it printed."""

    folder: Path
    stdout: str
    stderr: str

    @property
    def baseline(self) -> Path:
        return self.folder / "tp2-1"

    @property
    def candidate(self) -> Path:
        return self.folder / "tp2-sp-1"

    @property
    def report(self) -> Path:
        return self.folder / "comparison.html"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo, run once for the whole session by the command line, as a new user would."""
    folder = tmp_path_factory.mktemp("demo") / "runs"
    command = [sys.executable, "-m", "commscope", "demo", "-o", str(folder), "--steps", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return Demo(folder, done.stdout, done.stderr)
