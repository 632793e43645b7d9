"""Ctrl-C and a scheduler's SIGTERM at every moment: the exit code, no traceback, and no process that stays."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.record.programs import TRAIN, is_alive, marked_incomplete, pids_of

pytestmark = pytest.mark.record
PATIENCE_S = 60


def wait_for(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not found() and time.monotonic() < deadline:
        time.sleep(0.05)


def processes_of(run: Path) -> list[int]:
    """Ranks of a run, by what stands on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"commscope.record.started" in words and any(str(run).encode() in word for word in words):
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize(
    ("moment", "signals"),
    [
        ("training", (signal.SIGINT,)),
        ("training", (signal.SIGINT, signal.SIGINT)),
        ("training", (signal.SIGTERM,)),
        ("launching", (signal.SIGINT,)),
    ],
    ids=["ctrl-c", "ctrl-c twice", "sigterm", "ctrl-c while launching"],
)
def test_a_signal_to_the_launcher_ends_every_rank(
    tmp_path: Path, moment: str, signals: tuple[signal.Signals, ...]
) -> None:
    run, script = tmp_path / "run", tmp_path / "train.py"
    script.write_text(TRAIN.replace("FAIL", "time.sleep(600)"), encoding="utf-8")
    command = [sys.executable, "-m", "commscope", "record", "--nproc", "2", "-o", str(run), "--", str(script)]
    launcher = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    if moment == "training":
        wait_for(lambda: len(pids_of(run)) == 2)
        assert len(pids_of(run)) == 2
    else:
        wait_for((run / ".commscope" / "request.json").exists)
    pids = pids_of(run)
    for number in signals:
        launcher.send_signal(number)
        time.sleep(0.3)
    _, errors = launcher.communicate(timeout=PATIENCE_S)
    assert launcher.returncode == 128 + signals[0]
    assert b"Traceback" not in errors
    assert b"a fault of ours" not in errors
    wait_for(lambda: not any(is_alive(pid) for pid in pids) and not processes_of(run))
    assert not any(is_alive(pid) for pid in pids)
    assert processes_of(run) == []
    assert marked_incomplete(run)


def test_ranks_that_are_just_starting_end_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    run, script = tmp_path / "run", tmp_path / "train.py"
    script.write_text(TRAIN.replace("FAIL", "time.sleep(600)"), encoding="utf-8")
    command = [sys.executable, "-m", "commscope", "record", "--nproc", "2", "-o", str(run), "--", str(script)]
    launcher = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for(lambda: processes_of(run))
    launcher.kill()
    launcher.wait()
    wait_for(lambda: not processes_of(run))
    assert processes_of(run) == []
    assert marked_incomplete(run)
