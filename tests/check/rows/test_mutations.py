"""Mistakes people make, recorded for real: each fails the gate with the culprit in the first row."""

from __future__ import annotations

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

mistake = sys.argv[1]
dist.init_process_group("gloo")
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 8)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(18):
    for last in (False, True):
        accumulating = nullcontext() if last or mistake == "forgotten_no_sync" else model.no_sync()
        with accumulating:
            loss = model(torch.randn(16, 64)).pow(2).mean()
            if last and mistake == "sleep" and dist.get_rank() == 1:
                time.sleep(0.02)
            loss.backward()
    optimizer.step()
    optimizer.zero_grad()
dist.destroy_process_group()
"""
RECORDINGS = {"none": 3, "sleep": 3, "forgotten_no_sync": 1}  # errors of times need three a side


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Analysis]]:
    folder = tmp_path_factory.mktemp("mutations")
    script = folder / "train.py"
    script.write_text(TRAIN, encoding="utf-8")
    found: dict[str, list[Analysis]] = {}
    for mistake, count in RECORDINGS.items():
        for number in range(count):
            place = folder / f"{mistake}-{number}"
            request = RecordRequest(place, "train.py", (str(script), mistake), nproc=2, steps=10, warmup=2)
            found.setdefault(mistake, []).append(analyze(open_run(record(request)), jobs=1))
    return found


def verdict_on(candidates: list[Analysis], baseline: list[Analysis]) -> Verdict:
    """With the default budgets; a single baseline stands for every name."""
    return check(candidates, {"none": Baseline("none", tuple(map(snapshot, baseline)))})


def first(verdict: Verdict) -> Row:
    return verdict.runs[0].rows[0]


def test_a_forgotten_no_sync_is_caught_as_all_reduces_in_backward(runs: dict[str, list[Analysis]]) -> None:
    verdict = verdict_on(runs["forgotten_no_sync"], runs["none"])
    assert verdict.exit_code == 1
    assert first(verdict).metric == "collective.count"
    assert "all_reduce in backward 1 → 2 a step" in first(verdict).why


def test_a_rank_that_sleeps_20_ms_is_caught_and_named(runs: dict[str, list[Analysis]]) -> None:
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
