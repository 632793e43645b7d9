"""Waits held against a program that stamps its own collectives: an independent account of who came last."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")

from commscope.analysis.result import Analysis
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record
from commscope.schema import CAPTURE
from commscope.units import NS_PER_MS

pytestmark = pytest.mark.record

STEPS, WARMUP = 4, 2
SCRIPT = """
import json, random, sys, time
import torch, torch.distributed as dist

dist.init_process_group("gloo")
rank, ranks = dist.get_rank(), dist.get_world_size()
weight = torch.nn.Parameter(torch.ones(8))
optimizer = torch.optim.SGD([weight], lr=0.1)
same = random.Random(7)
stamps = []
for step in range(12):
    for k in range(5):
        late = [same.uniform(0.02, 0.06) if one == (step + k) % ranks else 0.0 for one in range(ranks)]
        dist.barrier()
        time.sleep(late[rank])
        came = time.time_ns()
        dist.all_reduce(torch.ones(4096))
        stamps.append((step, came, time.time_ns()))
    weight.sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    with open(f"{sys.argv[1]}/stamps{rank}.json", "w") as file:
        json.dump(stamps, file)
dist.destroy_process_group()
"""


def recorded(folder: Path, ranks: int) -> Analysis:
    script = folder / "stamped.py"
    script.write_text(SCRIPT)
    asked = (str(script), str(folder))
    run = record(
        RecordRequest(
            folder / "run", script.name, asked, nproc=ranks, steps=STEPS, warmup=WARMUP, backend="gloo"
        )
    )
    return analyze(open_run(run), jobs=1)


def truth_ns(folder: Path, ranks: int, analysis: Analysis) -> np.ndarray:
    """Waits of the profiled all-reduces by the program's own stamps: instances x ranks."""
    stamps = np.array(
        [msgspec.json.decode((folder / f"stamps{rank}.json").read_bytes()) for rank in range(ranks)]
    )
    steps = [window.step for window in analysis.windows if window.step is not None]
    came = stamps[:, np.isin(stamps[0, :, 0], steps), 1]
    return (came.max(axis=0) - came).T


def waits_ns(ranks: int, analysis: Analysis) -> np.ndarray:
    """What was told of the same: instances x ranks."""
    table = analysis.instances
    table = table[(table["collective"] == "all_reduce") & (table["window"] != CAPTURE)]
    told = [table[table["rank"] == rank].sort_values("index")["wait_ns"] for rank in range(ranks)]
    return np.stack([one.to_numpy(np.float64, na_value=np.nan) for one in told], axis=1)


@pytest.mark.parametrize("ranks", [2, 4])
def test_waits_are_those_of_a_program_that_stamps_its_own_collectives(tmp_path: Path, ranks: int) -> None:
    """Delays of 20 to 60 ms; a machine that holds a process up between stamp and call gets a second recording."""
    for attempt in ("first", "second"):
        folder = tmp_path / attempt
        folder.mkdir()
        analysis = recorded(folder, ranks)
        waits, truth = waits_ns(ranks, analysis), truth_ns(folder, ranks, analysis)
        assert waits.shape == truth.shape == (5 * STEPS, ranks)
        assert not np.isnan(waits).any()
        late = np.percentile(np.abs(waits - truth), 95)
        if late <= 2 * NS_PER_MS and waits.sum() == pytest.approx(truth.sum(), rel=0.05):
            return
    pytest.fail(
        f"p95 of the error is {late / NS_PER_MS:.1f} ms, the sum {waits.sum() / truth.sum():.2f} of the truth"
    )
