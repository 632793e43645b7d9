"""The gate on this very machine: unchanged recordings must not fail, a rank that sleeps 20 ms must.

    python -m benchmarks.check_noise [--runs 20] [--trials 5]

Records a small data-parallel script 3 times as the baseline, `--runs` times unchanged, and 3 times for each
of `--trials` with a sleep of 20 ms on rank 1 in each step; then checks every 3 neighbours of the unchanged
runs, and the sleeping ones of each trial, against the baseline with the default budgets. Each unchanged run
is also checked alone, and against a baseline of which one recording is as if nothing had been matched.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from commscope.check import Baseline, Snapshot, check_snapshots, load_config, snapshot
from commscope.check.result import RunVerdict
from commscope.compare.measures.measurement import UNPROFILED
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record

SLEEP_S = 0.02
LOAD = "other programs kept"
SCRIPT = """
import sys, time
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

sleep_s = float(sys.argv[1])
dist.init_process_group("gloo")
torch.manual_seed(0)
layers = [torch.nn.Linear(512, 512) for _ in range(6)]
model = DistributedDataParallel(torch.nn.Sequential(*layers))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(22):
    loss = model(torch.randn(512, 512)).pow(2).mean()
    if sleep_s and dist.get_rank() == 1:
        time.sleep(sleep_s)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
dist.destroy_process_group()
"""


def recorded(folder: Path, name: str, sleep_s: float) -> Snapshot:
    """One recording, reduced to what the gate looks at."""
    script = folder / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    request = RecordRequest(
        folder / name, "train.py", (str(script), str(sleep_s)), nproc=2, steps=10, warmup=5, backend="gloo"
    )
    return snapshot(analyze(open_run(record(request)), jobs=1))


def judged(candidates: list[Snapshot], baseline: Baseline, folder: Path) -> RunVerdict:
    """Three runs against the baseline, with the defaults."""
    rules = load_config(start=folder)
    return check_snapshots(candidates, {baseline.name: baseline}, rules).runs[0]


def unmatched(run: Snapshot) -> Snapshot:
    """The same recording without what only matched collectives tell."""
    lost = (
        "communication.exposed_wait",
        "communication.exposed_transfer",
        "stall.blocking",
        "transfer.time/",
    )
    told = {
        name: replace(one, value=None, why="not matched") if name.startswith(lost[:3]) else one
        for name, one in run.measured.items()
        if not name.startswith(lost[3])
    }
    return replace(run, measured=told, caused_wait_ns={})


def same_in_threes(runs: list[Snapshot]) -> list[list[Snapshot]]:
    """Every three neighbours."""
    return [runs[n : n + 3] for n in range(len(runs) - 2)]


def loads(runs: Sequence[Snapshot]) -> str:
    """How busy other programs kept the machine over these recordings."""
    known = [run.other_load for run in runs if run.other_load is not None]
    if not known:
        return "not known"
    least, most = (choose(load.busy_cores for load in known) for choose in (min, max))
    return f"{least:.2f} to {most:.2f} of {known[0].cores:g} cores"


def told(group: RunVerdict) -> str:
    """The verdict and its first row."""
    worst = group.rows[0]
    return f"{group.status}: {worst.level} {worst.metric}: {worst.why}"


def main() -> None:
    """Record, check, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--trials", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        baseline = Baseline("ddp", tuple(recorded(folder, f"ddp-{n}", 0.0) for n in range(3)))
        same = [recorded(folder, f"ddp-{n}", 0.0) for n in range(3, 3 + options.runs)]
        slow = [recorded(folder, f"ddp-{n}", SLEEP_S) for n in range(100, 100 + 3 * options.trials)]
        times_ms = [(run.measured[UNPROFILED].value or 0) / 1e6 for run in (*baseline.runs, *same)]
        print(f"step of unchanged runs: {min(times_ms):.1f} to {max(times_ms):.1f} ms")
        print(f"other load: {loads([*baseline.runs, *same])}; while rank 1 slept: {loads(slow)}")
        groups = [judged(group, baseline, folder) for group in same_in_threes(same)]
        failed = [group for group in groups if group.status == "fail"]
        warned = sum(any(row.warns for row in group.rows) for group in groups)
        said = f"{options.runs} unchanged recordings, {len(groups)} groups of 3"
        print(f"{said}: {len(failed)} errors, {warned} with warnings")
        for group in failed:
            print("  ", told(group))
        bad = replace(baseline, runs=(unmatched(baseline.runs[0]), *baseline.runs[1:]))
        for words, against in (("", baseline), (" of which one recording is unmatched", bad)):
            candidates = [*same_in_threes(same), *([run] for run in same)]
            passed = sum(judged(runs, against, folder).status == "pass" for runs in candidates)
            print(f"{len(candidates)} runs and groups against 3{words}: {passed} pass")
        excused = [row for group in groups for row in group.rows if row.warns and LOAD in row.why]
        slower = sum(row.metric == "step.time" for row in excused)
        print(f"{slower} of the groups would be errors of step.time, but for the other load")
        print(f"{SLEEP_S * 1e3:.0f} ms of sleep on rank 1, {options.trials} times 3 recordings:")
        for trial in range(options.trials):
            print("  ", told(judged(slow[3 * trial : 3 * trial + 3], baseline, folder)))


if __name__ == "__main__":
    main()
