"""Recording without a launcher: in spawned ranks, by a program's own profiler, in a job that runs already."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")

from commscope.engine import analyze
from commscope.readers import open_run

pytestmark = pytest.mark.record
PATIENCE_S = 900  # a busy machine starts two ranks in minutes
JOB = Path(__file__).with_name("job.py")


def started(how: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(JOB), how, str(folder)])


def is_whole(run: Path, collectives: int = 4) -> bool:
    """Both ranks are there, two steps, everything matched, nothing left over."""
    found = analyze(open_run(run))
    assert [window.name.split()[0] for window in found.windows] == ["capture", "step", "step"]
    assert found.matching.matched == found.matching.instances == collectives
    assert not list(run.parent.glob(".*.partial"))
    return (
        msgspec.json.decode((run / "run.json").read_bytes())["complete"] and not (run / ".commscope").exists()
    )


def test_profile_records_ranks_that_a_program_spawned(tmp_path: Path) -> None:
    assert started("profile", tmp_path).wait(PATIENCE_S) == 0
    assert is_whole(tmp_path / "profile")


def test_every_cycle_of_a_programs_own_profiler_becomes_a_run(tmp_path: Path) -> None:
    assert started("handler", tmp_path).wait(PATIENCE_S) == 0
    assert is_whole(tmp_path / "handler")
    assert is_whole(tmp_path / "handler-2")
    assert not (tmp_path / "handler-3").exists()


def test_a_job_that_runs_is_recorded_when_a_command_asks(tmp_path: Path) -> None:
    job = started("listen", tmp_path)
    folder = tmp_path / "listen"
    try:
        while len(list(folder.glob("pid*"))) < 2:
            assert job.poll() is None
            time.sleep(0.05)
        for number, target in enumerate((str(folder), str(job.pid))):
            run = tmp_path / f"run-{number}"
            command = [
                sys.executable,
                "-m",
                "commscope",
                "record",
                "--attach",
                target,
                "--timeout",
                "600",
                "--steps",
                "2",
                "-o",
                run,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
            assert done.returncode == 0, done.stderr
            assert is_whole(run, 6)
        assert job.poll() is None
    finally:
        (tmp_path / "stop").touch()
        ended = job.wait(PATIENCE_S)
    assert ended == 0
    done = subprocess.run([*command[:-1], tmp_path / "late"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no process of this job listens" in done.stderr
    assert not (tmp_path / "late").exists()
