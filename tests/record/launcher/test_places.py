"""Disks and shared memory that refuse, mounted for real in a namespace of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from commscope.record.launcher.failures import shared_memory_problem
from tests.record.programs import is_alive, marked_incomplete, pids_of

pytestmark = pytest.mark.record
SCRIPT = """
import os
import torch
print("pid", os.getpid(), flush=True)
if os.environ.get("WITH_WORKERS"):
    torch.multiprocessing.get_context("fork").Lock()  # as a DataLoader with workers makes
optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1 << 12, requires_grad=True))], lr=0.1)
for step in range(5):
    for _ in range(300):
        torch.ones(2).add(1)
    optimizer.step()
"""


@pytest.fixture(scope="module")
def namespace() -> tuple[str, ...]:
    """How to run a shell that may mount."""
    for command in (("unshare", "-m"), ("unshare", "-Urm")):
        try:
            mounts = ["sh", "-c", "mount -t tmpfs none /dev/shm"]
            if subprocess.run([*command, *mounts], capture_output=True, check=False).returncode == 0:
                return command
        except FileNotFoundError:
            break
    pytest.skip("no mount namespace of our own is permitted here")


def recorded(
    namespace: tuple[str, ...], folder: Path, mounts: str, *before: str
) -> subprocess.CompletedProcess[str]:
    """`commscope record` of the script, after the mounts."""
    script = folder / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = f"{mounts} && env {' '.join(before)} {sys.executable} -m commscope record"
    options = f"--steps 3 --warmup 2 -o {folder / 'disk' / 'run'} -- {script}"
    (folder / "disk").mkdir()
    shell = [*namespace, "sh", "-c", f"{command} {options}"]
    return subprocess.run(shell, capture_output=True, text=True, check=False)


def test_recording_needs_no_shared_memory(namespace: tuple[str, ...], tmp_path: Path) -> None:
    done = recorded(namespace, tmp_path, "mount -t tmpfs -o ro none /dev/shm")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "disk" / "run" / "run.json").exists()


def test_a_program_that_needs_it_fails_with_a_hint(namespace: tuple[str, ...], tmp_path: Path) -> None:
    done = recorded(namespace, tmp_path, "mount -t tmpfs -o ro none /dev/shm", "WITH_WORKERS=1")
    run = tmp_path / "disk" / "run"
    assert done.returncode == 1
    assert "error: rank 0 failed: OSError: [Errno 30] Read-only file system" in done.stderr
    assert "/dev/shm is not writable, which workers of a DataLoader and NCCL need" in done.stderr
    assert marked_incomplete(run)
    (pid,) = pids_of(run)
    assert not is_alive(pid)


def test_a_full_disk_is_told_and_leaves_no_half_trace(namespace: tuple[str, ...], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    listing = f"trap 'ls {disk}/run; cat {disk}/run/run.json' EXIT"
    done = recorded(namespace, tmp_path, f"{listing}; mount -t tmpfs -o size=100k none {disk}")
    assert done.returncode == 1
    assert "the trace could not be written" in done.stderr
    assert "is the disk full?" in done.stderr
    assert "Traceback" not in done.stderr
    assert ".json.gz" not in done.stdout
    assert "run.json" not in done.stdout or '"complete":false' in done.stdout  # what fits is told incomplete


def test_a_disk_that_cannot_be_written_is_told_before_any_rank_starts(
    namespace: tuple[str, ...], tmp_path: Path
) -> None:
    done = recorded(namespace, tmp_path, f"mount -t tmpfs -o ro none {tmp_path / 'disk'}")
    assert done.returncode == 2
    assert "cannot write the run folder: Read-only file system" in done.stderr


def test_shared_memory_that_is_well_is_not_mentioned(tmp_path: Path) -> None:
    assert shared_memory_problem(tmp_path) == ""
    assert "not writable" in shared_memory_problem(tmp_path / "missing")
