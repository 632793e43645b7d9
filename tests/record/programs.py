"""A program whose rank 1 fails in a way of its own, and what tests ask of its processes."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

TRAIN = """
import os, signal, sys, time
import torch, torch.distributed as dist
from datetime import timedelta

print("pid", os.getpid(), flush=True)
dist.init_process_group("gloo", timeout=timedelta(seconds=float(os.environ.get("GROUP_TIMEOUT", "60"))))
model = torch.nn.Linear(8, 8)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(8):
    model(torch.ones(2, 8)).sum().backward()
    if step == 4 and dist.get_rank() == 1:
        FAIL
    for parameter in model.parameters():
        dist.all_reduce(parameter.grad)
    optimizer.step()
    optimizer.zero_grad()
dist.destroy_process_group()
"""


def pids_of(run: Path) -> list[int]:
    words = [path.read_text().split() for path in run.glob(".commscope/logs/*/attempt_0/*/stdout.log")]
    return [int(line[line.index("pid") + 1]) for line in words if "pid" in line]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def marked_incomplete(run: Path) -> bool:
    manifest = run / "run.json"
    return not manifest.exists() or msgspec.json.decode(manifest.read_bytes())["complete"] is False
