"""Ranks that stand still: before the first step, in C code, in a peer's shadow. Who is named, and where it stands."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

from commscope.errors import RecordFailed
from commscope.record.handover.facts import Beat, RankFacts, write_facts, write_pid
from commscope.record.handover.liveness import cpu_seconds
from commscope.record.handover.request import RecordRequest
from commscope.record.handover.stacks import Standing, standing_of
from commscope.record.launcher import watch
from commscope.record.launcher.failures import diagnose
from commscope.record.launcher.launch import record
from commscope.record.launcher.watch import Hang, Idle, Watch
from tests.record.programs import TRAIN, is_alive, marked_incomplete, pids_of

STACK = """\
Thread 0x00007f01 (most recent call first):
  File "/env/site-packages/tqdm/monitor.py", line 60 in run

Current thread 0x00007f00 (most recent call first):
  File "/env/site-packages/torch/distributed/rendezvous.py", line 208 in _create_c10d_store
  File "/env/site-packages/torch/distributed/distributed_c10d.py", line 1764 in init_process_group
  File "/home/me/train.py", line 12 in setup
  File "/home/me/train.py", line 40 in <module>
"""


@pytest.mark.record
@pytest.mark.parametrize(
    "hang",
    ["time.sleep(600)", "__import__('ctypes').PyDLL(None).sleep(600)"],
    ids=["in Python", "in C, which hears no signal"],
)
def test_a_hang_before_the_first_step_is_noticed_and_its_line_is_named(tmp_path: Path, hang: str) -> None:
    train = TRAIN.replace(
        "dist.init_process_group", f"if os.environ['RANK'] == '1': {hang}\ndist.init_process_group"
    )
    path = tmp_path / "train.py"
    path.write_text(train, encoding="utf-8")
    request = RecordRequest(tmp_path / "run", "train.py", (str(path),), nproc=2, timeout_s=2.0)
    with pytest.raises(
        RecordFailed, match="rank 1 hangs: no rank did anything for 2 s before the first step"
    ) as raised:
        record(request)
    line = train[: train.index("if os.environ")].count("\n") + 1
    assert raised.value.where == f"{path}:{line} in <module>"
    pids = pids_of(tmp_path / "run")
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in pids)


@pytest.mark.record
def test_a_rank_that_hangs_at_its_exit_is_told_though_it_ends_well_when_asked(tmp_path: Path) -> None:
    """What the script registered for its exit stood still; SIGTERM woke it, and the run counted as complete."""
    at_exit = "import atexit\nif dist.get_rank() == 1: atexit.register(time.sleep, 900)\nmodel ="
    path = tmp_path / "train.py"
    path.write_text(TRAIN.replace("FAIL", "pass").replace("model =", at_exit, 1), encoding="utf-8")
    request = RecordRequest(
        tmp_path / "run", "train.py", (str(path),), nproc=2, steps=2, warmup=1, timeout_s=2.0
    )
    with pytest.raises(
        RecordFailed, match=r"rank 1 hangs .*: no rank did anything for 2 s after the profiled steps"
    ) as raised:
        record(request)
    assert raised.value.exit_code == 1
    assert marked_incomplete(tmp_path / "run")


def watching_two(folder: Path, complete: bool) -> Watch:
    """A watch over two ranks of which the second is gone and left facts, or half of them."""
    work = RecordRequest(folder).work_folder
    work.mkdir(parents=True)
    write_pid(work, 0)
    (work / "rank1.pid").write_text(str(2**22 + 1), encoding="ascii")  # above the largest process id
    write_facts(work, RankFacts(1, 2, "gloo", complete))
    return Watch(RecordRequest(folder), None)


def test_where_a_rank_died_nothing_hangs(tmp_path: Path) -> None:
    """The launcher takes up to 30 s to end a rank that waits for the dead one inside a collective."""
    assert watching_two(tmp_path / "died", complete=False)._has_lost_one()
    assert not watching_two(tmp_path / "ended", complete=True)._has_lost_one()


def test_who_had_ended_well_does_not_hang(tmp_path: Path) -> None:
    request = RecordRequest(tmp_path / "run", nproc=2)
    told = diagnose(request, None, (), Hang("no rank did anything for 2 s", frozenset({0})))
    assert told.what == "rank 1 hangs and does not answer: no rank did anything for 2 s"


def test_the_last_thread_of_a_stack_is_the_main_one_and_its_innermost_own_line_is_told() -> None:
    assert standing_of(0, STACK) == Standing(
        0, "/home/me/train.py:12 in setup", in_collective=True, in_library=True
    )
    lone = 'Current thread 0x1 (most recent call first):\n  File "/home/me/data.py", line 3 in load\n'
    assert standing_of(1, lone) == Standing(1, "/home/me/data.py:3 in load", in_collective=False)
    assert standing_of(2, "") is None


def test_cpu_time_counts_what_came_from_a_process_however_it_is_named(tmp_path: Path) -> None:
    def process(pid: int, name: str, parent: int, *used: int) -> None:
        (tmp_path / str(pid)).mkdir()
        fields = ["S", str(parent), *["0"] * 9, *map(str, used), *["0"] * 5]
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}")

    process(10, "python", 1, 100, 50, 0, 0)
    process(11, "a) b (c", 10, 200, 0, 40, 10)
    process(12, "ninja", 11, 25, 0, 0, 0)
    process(20, "other", 1, 9999, 0, 0, 0)
    assert cpu_seconds([10, 99], tmp_path) == {10: (150 + 250 + 25) / os.sysconf("SC_CLK_TCK")}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def hung_after(
    request: RecordRequest, monkeypatch: pytest.MonkeyPatch, used_per_s: float, seen: dict[int, Beat]
) -> tuple[float, str]:
    """Second at which the watch gives up, were a rank to use so much of the CPU, and what it says."""
    clock = Clock()
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(watch, "read_pids", lambda _folder: (1,))
    monkeypatch.setattr(watch, "cpu_seconds", lambda pids: dict.fromkeys(pids, clock.now * used_per_s))
    watching = Watch(request, None)
    for second in range(1, 1000):
        clock.now = float(second)
        if said := watching._stands_still(seen, 0.0, 0.0):
            return clock.now, said
    return clock.now, ""


@pytest.mark.parametrize(
    ("used_per_s", "steps", "second", "said"),
    [
        (0.01, None, 37, "no rank did anything for 30 s before the first step"),
        (0.50, None, 361, "no first step within 300 s, 10 x --timeout"),
        (0.50, 2, 36, "no step finished within 30 s"),
        (0.01, 5, 37, "no rank did anything for 30 s after the profiled steps"),
        (0.50, 5, 999, ""),
    ],
    ids=["idle", "spins", "stuck between steps", "stuck at its end", "trains on"],
)
def test_how_long_a_script_may_stand(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    used_per_s: float,
    steps: int | None,
    second: int,
    said: str,
) -> None:
    request = RecordRequest(tmp_path, "train.py", ("train.py",), timeout_s=30.0)
    seen = {} if steps is None else {0: Beat(0, steps, 5, 1)}
    assert hung_after(request, monkeypatch, used_per_s, seen) == (second, said)


def test_a_workload_of_ours_that_never_steps_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    request = replace(RecordRequest(tmp_path), timeout_s=30.0)
    assert hung_after(request, monkeypatch, 1.0, {}) == (91, "no step finished within 30 s")


def test_a_rank_that_came_to_be_since_the_last_look_is_not_idle_since_the_launch() -> None:
    idle, start = Idle(), time.monotonic()
    assert idle.seconds((), start + 60.0) >= 60.0
    assert idle.seconds((os.getpid(),), start + 60.2) == 0.0
    nobody = 2**22 + 1  # above the largest process id
    assert idle.seconds((nobody,), start + 60.4) == 0.0
    assert idle.seconds((nobody,), start + 63.4) == pytest.approx(3.0)
