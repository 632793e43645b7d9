"""Mistakes people make, recorded for real: each fails the gate with the culprit in the first row."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from commscope.analysis.result import Analysis
from commscope.check import Baseline, Row, check, snapshot
from commscope.check.result import Verdict
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record
from tests.conftest import CHECKOUT

pytestmark = pytest.mark.record
SAVED = CHECKOUT / "traces"
TRAIN = """
import sys, time
from contextlib import nullcontext
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

def in_16_bits(_, bucket):
    work = dist.all_reduce(bucket.buffer().bfloat16(), async_op=True)
    return work.get_future().then(lambda done: done.value()[0].float())

mistake = sys.argv[1]
batch = 64 if mistake == "batch" else 16
microbatches = 8 if mistake == "accumulation" else 2
options = {"buckets": {"bucket_cap_mb": 0.001}, "unused": {"find_unused_parameters": True}}.get(mistake, {})
dist.init_process_group("gloo")
torch.manual_seed(0)
layers = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 8))
model = DistributedDataParallel(layers, **options)
if mistake == "bf16":
    model.register_comm_hook(None, in_16_bits)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(18):
    for microbatch in range(microbatches):
        last = microbatch == microbatches - 1
        accumulating = nullcontext() if last or mistake == "forgotten_no_sync" else model.no_sync()
        with accumulating:
            loss = model(torch.randn(batch, 64)).pow(2).mean()
            if last and mistake == "sleep" and dist.get_rank() == 1:
                time.sleep(0.03)
            loss.backward()
    if mistake == "extra":
        dist.all_reduce(loss.detach())
    optimizer.step()
    optimizer.zero_grad()
dist.destroy_process_group()
"""
TIMED = ("none", "sleep")  # errors of times need three recordings a side, and steps
EXACT = ("forgotten_no_sync", "extra", "buckets", "unused", "bf16", "batch", "accumulation")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Analysis]]:
    folder = tmp_path_factory.mktemp("mutations")
    script = folder / "train.py"
    script.write_text(TRAIN, encoding="utf-8")
    found: dict[str, list[Analysis]] = {}
    for mistake in (*TIMED, *EXACT):
        count, steps = (3, 10) if mistake in TIMED else (1, 2)
        for number in range(count):
            place = folder / f"{mistake}-{number}"
            request = RecordRequest(place, "train.py", (str(script), mistake), nproc=2, steps=steps, warmup=2)
            found.setdefault(mistake, []).append(analyze(open_run(record(request)), jobs=1))
    return found


def verdict_on(candidates: list[Analysis], baseline: list[Analysis]) -> Verdict:
    """With the default budgets; a single baseline stands for every name."""
    return check(candidates, {"none": Baseline("none", tuple(map(snapshot, baseline)))})


def first(verdict: Verdict) -> Row:
    return verdict.runs[0].rows[0]


@pytest.mark.parametrize(
    ("before", "after", "metric", "why"),
    [
        ("none", "forgotten_no_sync", "collective.count", "all_reduce in backward 1 → 2 a step"),
        ("none", "extra", "collective.count", "all_reduce in other 0 → 1 a step"),
        ("none", "buckets", "collective.count", "all_reduce in backward 0 → 1 a step"),
        ("none", "unused", "collective.count", "all_reduce in "),
        ("bf16", "none", "communication.payload_bytes", "all_reduce in backward 0 → 1 a step (role dp"),
        ("none", "batch", "compute.flops", "floating point operations a step: backward "),
        ("none", "accumulation", "compute.", "a step: "),
    ],
)
def test_what_is_exact_is_caught_with_one_recording_and_the_culprit_first(
    before: str, after: str, metric: str, why: str, runs: dict[str, list[Analysis]]
) -> None:
    verdict = verdict_on(runs[after][:1], runs[before])
    assert verdict.exit_code == 1
    assert first(verdict).metric.startswith(metric)
    assert why in first(verdict).why


def test_a_rank_that_sleeps_30_ms_is_caught_and_named(runs: dict[str, list[Analysis]]) -> None:
    verdict = verdict_on(runs["sleep"], runs["none"])
    assert verdict.exit_code == 1
    assert (first(verdict).level, first(verdict).kind) == ("error", "timed")
    assert first(verdict).why.startswith("rank 1 ")
    idle = next(row for row in verdict.runs[0].rows if row.metric == "straggler.time/idle")
    assert idle.fails
    assert idle.why.startswith("rank 1 holds the others up: its idle or host-bound time grew")


def test_the_same_program_again_passes(runs: dict[str, list[Analysis]]) -> None:
    assert verdict_on(runs["none"], runs["none"]).exit_code == 0


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("gpt-tp2", "gpt-tp2-unfused", "all_reduce in backward 5 → 9 a step (role tp"),
        ("gpt-tp2-sp-kept", "gpt-tp2-sp", "all_gather in backward 4 → 9 a step (role sp"),
        ("gpt-tp2", "gpt-tp2-recompute-full", "all_reduce in recompute 0 → 4 a step (role tp"),
        ("gpt-tp2-sp-dtensor", "gpt-tp2-sp", "all_gather in backward "),
    ],
)
def test_recordings_of_changed_layouts_name_what_changed(before: str, after: str, why: str) -> None:
    """An unfused QKV, the kept gather switched off, full recompute switched on: recorded by `make traces`."""
    baseline, candidate = (analyze(open_run(SAVED / name), jobs=1) for name in (before, after))
    verdict = verdict_on([candidate], [baseline])
    assert verdict.exit_code == 1
    assert first(verdict).level == "error"
    assert why in first(verdict).why


def test_lost_overlap_is_caught_and_names_what_stands_exposed(field_cases: Path) -> None:
    """FSDP2 on four GPUs, its all_gathers prefetched or not: the same collectives and bytes."""
    good, bad = (analyze(open_run(field_cases / name), jobs=1) for name in ("fsdp_good", "fsdp_bad"))
    verdict = verdict_on([bad] * 3, [good] * 3)
    assert verdict.exit_code == 1
    assert first(verdict).why.endswith("all_gather in forward exposed 2.00 ms → 21.0 ms")
    lost = next(row for row in verdict.runs[0].rows if row.metric == "communication.overlapped")
    assert lost.fails
    assert lost.why.startswith("compute hides 10.0 ms → 0 ns of communication a step; all_gather in ")
