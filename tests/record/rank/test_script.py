"""Unmodified scripts on real ranks: under our launcher, under torchrun, on two nodes, as a module."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import msgspec
import pytest

pytest.importorskip("torch")

from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record
from commscope.record.rank import script
from commscope.record.rank.ending import Ending
from commscope.record.rank.script import run_script
from commscope.record.rank.session import Rank

pytestmark = pytest.mark.record
TRAIN = """
import argparse, os, sys, time
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--its-own", type=int)
parser.add_argument("-o")
options = parser.parse_args()
dist.init_process_group("gloo")
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(int(os.environ.get('STEPS', '9'))):
    loss = model(torch.randn(8, 16)).pow(2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
if dist.get_rank() == 0:
    print(__name__, sys.argv[1:], f"{loss.item():.9f}", flush=True)
time.sleep(float(os.environ.get('REST', '0')))
dist.destroy_process_group()
sys.exit(0)
"""


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "train.py"
    path.write_text(TRAIN, encoding="utf-8")
    return path


def manifest_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((run / "run.json").read_bytes())
    return found


def names_in(run: Path, rank: int) -> list[str]:
    events = msgspec.json.decode(gzip.decompress((run / f"rank{rank}.json.gz").read_bytes()))["traceEvents"]
    return [event.get("name", "") for event in events if event.get("ph") == "X"]


def test_a_script_is_recorded_with_its_own_arguments_and_numbers(tmp_path: Path, train: Path) -> None:
    arguments = ("--its-own", "3", "-o", "here")
    plain = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            train,
            *arguments,
        ],
        check=True,
        capture_output=True,
        text=True,
        # torch itself aborts now and then where gloo's thread has work left to drop at the end of the process
        env={**os.environ, "REST": "1"},
    )
    run = record(RecordRequest(tmp_path / "run", "train.py", (str(train), *arguments), nproc=2))
    assert (run / "logs" / "rank0.stdout.log").read_text().strip() == plain.stdout.strip().splitlines()[-1]
    manifest = manifest_of(run)
    assert (manifest["complete"], manifest["world_size"], manifest["backend"]) == (True, 2, "gloo")
    assert manifest["groups"][0]["ranks"] == [0, 1]
    for rank in (0, 1):
        names = names_in(run, rank)
        steps = [name for name in names if name.startswith("ProfilerStep")]
        assert len(steps) == 3
        assert names.count("gloo:all_reduce") == 3
        assert names.count("Optimizer.step#SGD.step") == 3


@pytest.mark.parametrize(("made", "profiled"), [(5, 3), (4, 2)], ids=["just enough", "one too few"])
def test_every_step_the_script_made_is_there_and_a_shortfall_is_told(
    tmp_path: Path, train: Path, monkeypatch: pytest.MonkeyPatch, made: int, profiled: int
) -> None:
    monkeypatch.setenv("STEPS", str(made))
    run = record(RecordRequest(tmp_path / "run", "train.py", (str(train),), steps=3, warmup=2))
    names = names_in(run, 0)
    assert len([name for name in names if name.startswith("ProfilerStep")]) == profiled
    assert names.count("Optimizer.step#SGD.step") == profiled
    manifest = manifest_of(run)
    assert len([row for row in manifest["step_times"] if row["profiled"]]) == profiled
    told = {gap["code"]: gap for gap in manifest["gaps"]}
    assert ("fewer_steps" in told) is (profiled < 3)
    if profiled < 3:
        assert told["fewer_steps"]["message"] == "train.py ended after 4 steps: 2 of 3 profiled"
        assert "need 5 steps" in told["fewer_steps"]["hint"]
    assert {"no_ledger", "no_memory"} <= told.keys()


def test_memory_and_plain_steps_of_a_script_are_measured_once_it_was_profiled(
    tmp_path: Path, train: Path
) -> None:
    run = record(RecordRequest(tmp_path / "run", "train.py", (str(train),), nproc=2, steps=2, warmup=2))
    manifest = manifest_of(run)
    kinds = {(row["rank"], row["kind"]) for row in manifest["memory"]}
    assert kinds == {(rank, kind) for rank in (0, 1) for kind in ("rss", "tensors")}
    tensors = next(row for row in manifest["memory"] if row["kind"] == "tensors")
    parameters = (16 * 4 + 4) * 4
    assert tensors["peak_bytes"] > 2 * parameters  # with their gradients
    assert set(tensors["by_phase_bytes"]) >= {"forward", "backward"}
    assert max(tensors["by_phase_bytes"].values()) == tensors["peak_bytes"]
    plain = [row["step"] for row in manifest["step_times"] if not row["profiled"] and row["rank"] == 0]
    assert plain == [7, 8]
    assert not any(gap["code"] == "no_memory" for gap in manifest["gaps"])


def test_a_script_without_an_end_is_stopped_where_that_is_asked(
    tmp_path: Path, train: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEPS", "1000000000")
    request = RecordRequest(
        tmp_path / "run", "train.py", (str(train),), nproc=2, steps=2, warmup=1, stop=True
    )
    manifest = manifest_of(record(request))
    assert manifest["complete"] is True
    assert [row["step"] for row in manifest["step_times"] if row["rank"] == 0] == [1, 2, 6, 7]


def test_under_torchrun_each_rank_records_itself(tmp_path: Path, train: Path) -> None:
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "commscope.record"]
    options = ["-o", str(tmp_path / "run"), "--steps", "2", "--warmup", "1"]
    done = subprocess.run(
        [sys.executable, "-m", *command, *options, str(train), "--its-own", "5"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "['--its-own', '5']" in done.stdout
    assert manifest_of(tmp_path / "run")["complete"] is True
    assert len([name for name in names_in(tmp_path / "run", 1) if name.startswith("ProfilerStep")]) == 2


class World(dict[str, Any]):
    """Globals of a script, to which a weak reference can be held."""


@pytest.mark.parametrize("exits", [False, True], ids=["falls off its end", "exits"])
def test_what_a_script_made_outlives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exits: bool) -> None:
    # else DDP's reducer, the last holder of gloo's group, joins gloo's thread, which waits for the interpreter
    made: list[weakref.ref[World]] = []

    def run_as_main(_script: object) -> World:
        world = World()
        made.append(weakref.ref(world))
        if exits:
            raise SystemExit(0)
        return world

    monkeypatch.setattr(script, "Program", MagicMock())
    monkeypatch.setattr(script, "run_as_main", run_as_main)
    monkeypatch.setattr(script, "step_borders", lambda *_: contextlib.nullcontext())
    monkeypatch.setenv("COMMSCOPE_RECORDING", "")
    ending = Ending()
    run_script(RecordRequest(tmp_path / "run", "train.py", ("train.py",)), Rank(0, 1), ending)
    assert made[0]() is not None
    del ending
    assert made[0]() is not None  # the interpreter holds it until it is gone


def test_two_launchers_form_one_run(tmp_path: Path, train: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    code = (
        "import sys\nfrom pathlib import Path\nfrom commscope.record.launcher import record\n"
        "from commscope.record.handover.request import Nodes, RecordRequest\n"
        "node, run, script, port = int(sys.argv[1]), *sys.argv[2:]\n"
        "nodes = Nodes(2, node, f'localhost:{port}')\n"
        "record(RecordRequest(Path(run), 'train.py', (script,), nproc=1, nodes=nodes))\n"
    )
    launchers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(node), str(tmp_path / "run"), str(train), str(port)]
        )
        for node in (0, 1)
    ]
    try:
        assert [launcher.wait(timeout=120) for launcher in launchers] == [0, 0]
    finally:
        for launcher in launchers:
            launcher.kill()
            launcher.wait()
    manifest = manifest_of(tmp_path / "run")
    assert (manifest["complete"], manifest["world_size"]) == (True, 2)
    assert names_in(tmp_path / "run", 0).count("gloo:all_reduce") == 3
    assert names_in(tmp_path / "run", 1).count("gloo:all_reduce") == 3
