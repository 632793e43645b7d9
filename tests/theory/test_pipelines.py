"""Pipelines: the bubble of interleaved stages, Korthikanti's table 5, and what interleaving costs and refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commscope.errors import UsageProblem
from commscope.layouts import check_layout
from commscope.theory.gpus import GPUS
from commscope.theory.memory import rank_memory
from commscope.theory.plan import plan
from commscope.theory.policy import PAPER
from commscope.theory.step_time import step_time
from commscope.trace import Layout, ModelShape

A100 = GPUS["a100"]
# layers, hidden, heads, pipeline stages, interleaved parts, microbatches; seconds full and present, MFU
TABLE_5 = {
    "22B": (48, 6144, 64, 1, 1, 1, 1.42, 1.10, 41.5),
    "175B": (96, 12288, 96, 8, 3, 64, 18.13, 13.75, 51.4),
    "530B": (105, 20480, 128, 35, 3, 280, 49.05, 37.83, 56.0),
    "1T": (128, 25600, 160, 64, 1, 512, 94.42, 71.49, 56.3),
}


def shape(name: str) -> ModelShape:
    """One of the paper's models; all sequences but 22B's alone in a microbatch."""
    layers, hidden, heads, _, _, m, *_ = TABLE_5[name]
    batch = 4 if name == "22B" else 1
    return ModelShape("gpt", layers, hidden, 4 * hidden, heads, heads, 51200, 2048, batch, m, "bfloat16")


@pytest.mark.parametrize("name", TABLE_5)
def test_korthikantis_table_5_within_10_per_cent(name: str) -> None:
    _, _, _, pp, vpp, _, full, present, _ = TABLE_5[name]
    plain = Layout(tp=8, pp=pp, vpp=vpp)
    times = {
        full: replace(plain, recompute="full"),
        present: replace(plain, sp=True, recompute="selective"),
    }
    for seconds, layout in times.items():
        assert step_time(layout, shape(name), PAPER, A100).time_ns / 1e9 == pytest.approx(seconds, rel=0.1)


@pytest.mark.parametrize("name", TABLE_5)
def test_its_model_utilisation_follows_from_its_seconds_within_0_3_points(name: str) -> None:
    _, _, _, pp, vpp, _, _, present, percent = TABLE_5[name]
    planned = plan(Layout(tp=8, pp=pp, vpp=vpp, sp=True, recompute="selective"), shape(name), PAPER, A100)
    told = planned.flops.model / (8 * pp * A100.peak_tflops * 1e12 * present)
    assert 100 * told == pytest.approx(percent, abs=0.3)


def test_interleaving_divides_the_bubble_and_keeps_more() -> None:
    model = shape("175B")
    once, thrice = (Layout(tp=8, pp=8, vpp=parts, sp=True) for parts in (1, 3))
    bubbles = [step_time(one, model, PAPER, A100).parts_ns["pipeline bubble"] for one in (once, thrice)]
    assert bubbles[0] == pytest.approx(3 * bubbles[1])
    kept = [dict(rank_memory(one, model).activations_bytes)["mlp"] for one in (once, thrice)]
    assert kept[1] / kept[0] == pytest.approx(1 + 7 / (8 * 3))


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (Layout(vpp=2), "interleaves stages"),
        (Layout(pp=8, vpp=5), "not a multiple of 40"),
        (Layout(pp=3, vpp=2), "microbatches are not a multiple of 3"),
    ],
)
def test_interleaving_that_makes_no_sense_is_refused(layout: Layout, said: str) -> None:
    with pytest.raises(UsageProblem, match=said):
        check_layout(layout, shape("175B"))
