"""How busy other programs kept the machine: on paper, and against processes that burn time for real."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from commscope.record.handover.load import CpuUse, OtherLoad, other_load, read_cpu

USE = CpuUse(wall_s=2.0, busy_s=3.0, told_s=4.0, cores=2, own_s=0.8, launcher=7, launcher_s=0.2)
TICKS = "100 20 30 400 50 6 7 8 9 0"
BURN = """
import time
while True:
    for _ in range(20_000): pass
    print(time.process_time(), flush=True)
"""
TRAIN = """
import time
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
model = DistributedDataParallel(torch.nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(8):
    model(torch.randn(8, 16)).pow(2).mean().backward()
    time.sleep(0.15)
    optimizer.step()
dist.destroy_process_group()
"""


@contextmanager
def burning(tells_to: int) -> Iterator[subprocess.Popen[str]]:
    """A process that keeps a core busy and tells its CPU time all the while, to somebody who reads it."""
    with subprocess.Popen([sys.executable, "-c", BURN], stdout=tells_to, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def used(process: subprocess.Popen[str], at_least: float = 0.0) -> float:
    """Its CPU time, as soon as it used that much."""
    assert process.stdout is not None
    return next(float(line) for line in process.stdout if float(line) >= at_least)


def test_other_load_is_what_is_busy_less_the_ranks_and_each_launcher_once() -> None:
    assert other_load([("a", USE), ("a", USE)]) == OtherLoad(0.6, 2)  # (3.0 - 2 x 0.8 - 0.2) / 2
    own_launcher = dataclasses.replace(USE, launcher=8)
    assert other_load([("a", USE), ("a", own_launcher)]) == OtherLoad(0.5, 2)


def test_of_several_machines_the_one_with_the_largest_share_is_told() -> None:
    large = dataclasses.replace(USE, cores=8, told_s=16.0, busy_s=4.0)  # 1.5 of 8
    assert other_load([("a", large), ("b", USE)]) == OtherLoad(1.0, 2)


def test_it_is_never_negative() -> None:
    assert other_load([("a", dataclasses.replace(USE, busy_s=0.1))]) == OtherLoad(0.0, 2)


@pytest.mark.parametrize(
    ("use", "why"),
    [
        (None, "/proc does not tell"),
        (dataclasses.replace(USE, told_s=0.0), "does not account for the time of all cores"),
        (dataclasses.replace(USE, wall_s=0.1), "took less than 0.2 s"),
    ],
)
def test_what_is_not_known_says_why(use: CpuUse | None, why: str) -> None:
    told = other_load([("a", USE), ("a", use)])
    assert isinstance(told, str)
    assert why in told


def test_proc_s_columns(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(f"cpu  {TICKS}\ncpu0 {TICKS}\ncpu1 {TICKS}\nintr 5\n")
    own = tmp_path / str(os.getpid())
    own.mkdir()
    (own / "stat").write_text(f"{own.name} (py (t) x) R 1 {' 0' * 9} 30 12 0 0 {' 0' * 30}")
    read = read_cpu(tmp_path)
    assert read is not None
    tick = os.sysconf("SC_CLK_TCK")
    assert (read.busy_s * tick, read.told_s * tick, read.cores) == pytest.approx((171, 621, 2))
    assert (read.own_s * tick, read.launcher_s) == pytest.approx((42, 0))
    assert read_cpu(tmp_path / "nowhere") is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_a_child_burns_is_ours_and_among_what_is_busy() -> None:
    with burning(subprocess.PIPE) as process:
        start = used(process)
        before = read_cpu()
        burnt = used(process, at_least=start + 0.5) - start
        after = read_cpu()
    assert before is not None
    assert after is not None
    assert after.own_s - before.own_s > 0.8 * burnt
    if after.told_s > before.told_s:  # some sandboxes count nothing
        assert after.busy_s - before.busy_s > 0.8 * burnt


@pytest.mark.record
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_recording_beside_a_busy_loop_tells_of_it(tmp_path: Path) -> None:
    """The loop belongs to the launcher but to no rank. Ranks sleep, so most of a core is left to it."""
    pytest.importorskip("torch")
    from commscope.record.handover.request import RecordRequest
    from commscope.record.launcher.launch import record

    script = tmp_path / "train.py"
    script.write_text(TRAIN, encoding="utf-8")
    request = RecordRequest(tmp_path / "run", "train.py", (str(script),), nproc=2, steps=3, warmup=2)
    with burning(subprocess.DEVNULL):
        run = record(request)
    told = msgspec.json.decode((run / "run.json").read_bytes())
    host = told["host"]
    assert host["other_load_of_cores"] >= 1
    assert host["other_load_cores"] > 0.3
    assert not [gap for gap in told["gaps"] if gap["code"] == "no_other_load"]
