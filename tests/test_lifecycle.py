"""No process outlives a command: real processes over ranks large enough to be still at work, checked by pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

RANKS, EVENTS = 6, 150_000
WAIT_S = 20.0  # a limit against hanging, not a claim about speed


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    rows = [
        {"ph": "X", "cat": "cpu_op", "name": f"aten::op{i % 50}", "pid": 7, "tid": 7, "ts": 10 * i, "dur": 5}
        for i in range(EVENTS)
    ]
    events = json.dumps(rows)
    for rank in range(RANKS):
        facts = json.dumps({"rank": rank, "world_size": RANKS})
        text = f'{{"schemaVersion": 1, "distributedInfo": {facts}, "traceEvents": {events}}}'
        (folder / f"rank{rank}.json").write_text(text)
    return folder


def of_group(group: int) -> list[int]:
    """Pids of a process group that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def until(true: Callable[[], bool]) -> Iterator[None]:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end and not true():
        time.sleep(0.05)
        yield


@pytest.mark.parametrize("whole_group", [False, True], ids=["parent", "group"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_outlives_a_signal(
    large: Path, tmp_path: Path, number: signal.Signals, whole_group: bool
) -> None:
    output = tmp_path / "answer.json"
    command = [sys.executable, "-m", "commscope", "analyze", str(large), "--jobs", "2"]
    environment = {**os.environ, "COMMSCOPE_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(
        [*command, "--format", "json", "-o", str(output)],
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for _ in until(lambda: len(of_group(process.pid)) >= 4):  # parent, tracker, two workers
            pass
        time.sleep(1.0)
        assert process.poll() is None, "it must be still at work"
        (os.killpg if whole_group else os.kill)(process.pid, number)
        process.wait(WAIT_S)
        for _ in until(lambda: not of_group(process.pid)):
            pass
        left = of_group(process.pid)
        told = process.stderr.read() if not left and process.stderr else ""
    assert left == []
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in told
    assert list(tmp_path.glob("answer*")) == []
