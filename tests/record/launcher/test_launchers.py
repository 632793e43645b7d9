"""Other launchers and other steps: Slurm's recipe as the docs print it, and steps by the clock."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")

from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record
from tests.conftest import CHECKOUT
from tests.record.rank.test_script import TRAIN, names_in

pytestmark = pytest.mark.record
SRUN = """#!/bin/bash
# As Slurm does: one task after the other gets its number, all have the job's variables and this environment.
while [ "${1#--}" != "$1" ]; do shift; done
for task in $(seq 0 $((SLURM_NTASKS - 1))); do
  SLURM_PROCID=$task SLURM_LOCALID=$((task % 2)) SLURM_NODEID=$((task / 2)) "$@" &
  tasks="$tasks $!"
done
code=0
for task in $tasks; do wait $task || code=$?; done
exit $code
"""
SCONTROL = "#!/bin/sh\necho localhost\n"
FOREVER = """
import os, pathlib, torch
trace = pathlib.Path(os.environ["COMMSCOPE_RECORDING"], "rank0.json.gz")
while not trace.exists():
    torch.ones(512, 512) @ torch.ones(512, 512)
"""


def free_port() -> int:
    """One of those the recipe draws from."""
    for port in range(20000, 30000):
        with socket.socket() as probe:
            try:
                probe.bind(("localhost", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def slurm_recipe() -> str:
    text = (CHECKOUT / "docs" / "recording.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"```\n(#!/bin/bash\n#SBATCH.*?)```", text, re.DOTALL)
    return str(found)


def test_the_recipe_for_slurm_records_one_run(tmp_path: Path) -> None:
    tools = {"srun": SRUN, "scontrol": SCONTROL, "python": f'#!/bin/sh\nexec {sys.executable} "$@"\n'}
    for name, text in {**tools, "job.sh": slurm_recipe(), "train.py": TRAIN}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    job = str(free_port() - 20000)
    slurm = {"SLURM_JOB_ID": job, "SLURM_NTASKS": "2", "SLURM_JOB_NODELIST": "node[0-1]"}
    environment = {**os.environ, **slurm, "PATH": f"{tmp_path}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["./job.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / job
    manifest = msgspec.json.decode((run / "run.json").read_bytes())
    assert (manifest["complete"], manifest["world_size"]) == (True, 2)
    for rank in (0, 1):
        assert names_in(run, rank).count("gloo:all_reduce") == 3


def test_steps_by_the_clock_need_no_optimizer(tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(FOREVER, encoding="utf-8")
    request = RecordRequest(tmp_path / "run", "serve.py", (str(script),), steps=2, warmup=1, steps_by="time")
    run = record(request)
    steps = [name for name in names_in(run, 0) if name.startswith("ProfilerStep")]
    assert steps == ["ProfilerStep#1", "ProfilerStep#2"]
    assert names_in(run, 0).count("aten::matmul") > 2
    manifest = msgspec.json.decode((run / "run.json").read_bytes())
    times = [row["time_ns"] for row in manifest["step_times"] if row["profiled"]]
    assert len(times) == 2
    assert manifest["complete"] is True
