"""Delays put into layers, phases and ranks of a real program are named: where, when and between what."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from commscope.analysis.naming import activity_words, spent_words
from commscope.analysis.result import Analysis
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record
from commscope.units import NS_PER_MS

PAUSE_S = 0.03
# rank, step, phase, layer
DELAYS = (
    (0, 2, "forward", 0),
    (1, 2, "forward", 2),
    (0, 2, "backward", 3),
    (1, 2, "backward", 1),
    (1, 3, "forward", 0),
    (0, 3, "forward", 3),
    (1, 3, "backward", 2),
    (0, 3, "backward", 0),
    (1, 3, "optimizer", None),
    (0, 4, "forward", 1),
    (1, 4, "forward", 3),
    (0, 4, "backward", 2),
)
AROUND = {
    "forward": ("aten::linear", "aten::relu"),
    "backward": ("aten::clone", "aten::threshold_backward"),
    "optimizer": ("aten::clone", "aten::add_"),
}
PROGRAM = f"""
import time
import torch, torch.distributed as dist
from commscope.record.api import annotate

DELAYS = {DELAYS!r}
dist.init_process_group("gloo")
rank = dist.get_rank()
layers = [torch.nn.Linear(64, 64) for _ in range(4)]
optimizer = torch.optim.SGD([one for layer in layers for one in layer.parameters()], lr=1e-3)

def pause(step, phase, layer=None):
    if (rank, step, phase, layer) in DELAYS:
        time.sleep({PAUSE_S})

for step in range(7):
    x, kept = torch.randn(32, 64), []
    with annotate(phase="forward"):
        for number, layer in enumerate(layers):
            with annotate(layer=number):
                x = x.detach().requires_grad_()
                y = layer(x)
                pause(step, "forward", number)
                y = torch.relu(y)
                kept.append((x, y))
                x = y.detach()
                dist.all_reduce(x)
    grad = torch.ones_like(x).clone()
    with annotate(phase="backward"):
        for number in reversed(range(len(layers))):
            with annotate(layer=number):
                before, after = kept[number]
                pause(step, "backward", number)
                after.backward(grad)
                grad = before.grad.clone()
                dist.all_reduce(grad)
    with annotate(phase="optimizer"):
        pause(step, "optimizer")
        optimizer.step()
        dist.all_reduce(torch.ones(1))
        optimizer.zero_grad()
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    folder = tmp_path_factory.mktemp("injected")
    script = folder / "train.py"
    script.write_text(PROGRAM, encoding="utf-8")
    run = record(RecordRequest(folder / "run", "train.py", (str(script),), nproc=2, steps=3, warmup=2))
    return analyze(open_run(run))


@pytest.mark.record
@pytest.mark.parametrize("delay", DELAYS, ids=str)
def test_a_delay_is_named_by_layer_phase_and_operators(
    analysis: Analysis, delay: tuple[int, int, str, int | None]
) -> None:
    """Told of the time itself, which is there whatever else held the ranks up on a loaded machine."""
    rank, step, phase, layer = delay
    span = next(one for one in analysis.rank_windows[rank] if one.name == f"step {step}")
    named = [
        activity
        for gap in analysis.idle_gaps
        if gap.rank == rank and span.start_ns < gap.end_ns and gap.start_ns < span.end_ns
        for activity, time_ns in gap.spent
        if time_ns >= 1000 * PAUSE_S * NS_PER_MS
        and (activity.phase, activity.layer, activity.between) == (phase, layer, AROUND[phase])
    ]
    assert named, [spent_words(gap.spent) for gap in analysis.idle_gaps]
    words = activity_words(named[0])
    assert words == f"no operator: Python between {AROUND[phase][0]} and {AROUND[phase][1]}"
