"""The plan against steps that were measured elsewhere: memory, time, and what one machine's two steps tell."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean

import pytest

from commscope.theory.calibrate import Measured, calibrated
from commscope.theory.gpus import GPUS, Gpu
from commscope.theory.layer_time import layer_time
from commscope.theory.plan import plan
from commscope.theory.policy import PAPER, Policy
from commscope.theory.step_time import rank_of, step_time
from commscope.trace import Layout, ModelShape
from tests.theory.real_steps import B22, B200_STEPS, GPT_POLICY, H100_STEPS, LLAMA_POLICY, Real

H100, A100, B200 = GPUS["h100"], GPUS["a100"], GPUS["b200"]


def errors(steps: tuple[Real, ...], policy: Policy, gpu: Gpu) -> dict[str, float]:
    """Relative error of each predicted time."""
    return {
        step.name: step_time(step.layout, step.model, policy, gpu).time_ns / 1e6 / step.time_ms - 1
        for step in steps
    }


@pytest.mark.parametrize("step", H100_STEPS, ids=lambda step: step.name)
def test_memory_of_the_h100_steps_within_5_per_cent_and_all_fit(step: Real) -> None:
    planned = plan(step.layout, step.model, GPT_POLICY, H100)
    assert planned.memory.total_bytes == pytest.approx(step.memory_bytes, rel=0.05)
    assert planned.fits


def test_the_22b_model_under_tp_alone_does_not_fit_as_it_did_not() -> None:
    planned = plan(Layout(tp=8), B22, GPT_POLICY, H100)
    assert not planned.fits
    batch = planned.largest["batch"]
    assert batch is not None
    assert plan(Layout(tp=8), replace(B22, batch=batch), GPT_POLICY, H100).fits
    assert not plan(Layout(tp=8), replace(B22, batch=batch + 1), GPT_POLICY, H100).fits


@pytest.mark.parametrize("step", B200_STEPS, ids=lambda step: step.name)
def test_memory_of_the_b200_steps_within_2_per_cent(step: Real) -> None:
    planned = plan(step.layout, step.model, LLAMA_POLICY, B200)
    assert planned.memory.total_bytes == pytest.approx(step.memory_bytes, rel=0.02)


@pytest.mark.parametrize(
    ("gpu", "steps", "policy"), [(H100, H100_STEPS, GPT_POLICY), (B200, B200_STEPS, LLAMA_POLICY)]
)
def test_every_measured_step_lies_in_its_interval(gpu: Gpu, steps: tuple[Real, ...], policy: Policy) -> None:
    assert max(map(abs, errors(steps, policy, gpu).values())) <= gpu.residual < 0.1


def test_small_layers_are_held_back_by_the_host_and_large_batches_by_compute() -> None:
    limits = {
        step.name: step_time(step.layout, step.model, GPT_POLICY, H100).limited_by for step in H100_STEPS
    }
    host = {name for name, limit in limits.items() if limit == "host launches"}
    assert host >= {"R1", "R11", "R12", "R13", "R14", "R17", "R18"}
    assert {limits[name] for name in ("R5", "R8", "C2", "C3")} == {"compute"}


def test_two_h100_steps_tell_the_sixteen_others_within_15_per_cent() -> None:
    gpu = calibrated(H100, GPT_POLICY, [measured(H100_STEPS[0]), measured(H100_STEPS[4])])
    assert max(map(abs, errors(H100_STEPS, GPT_POLICY, gpu).values())) <= 0.15


def test_two_b200_steps_tell_the_others_and_the_order_of_tp() -> None:
    fitted = tuple(
        step for step in B200_STEPS if step.name.startswith(("tp2 pp1 dp4", "tp8")) and "m4" in step.name
    )
    assert len(fitted) == 2
    gpu = calibrated(B200, LLAMA_POLICY, [measured(step) for step in fitted])
    rest = tuple(step for step in B200_STEPS if step not in fitted)
    found = [abs(error) for error in errors(rest, LLAMA_POLICY, gpu).values()]
    assert mean(found) <= 0.04
    assert max(found) <= 0.09
    for m in (4, 8, 32):
        same = [step for step in B200_STEPS if step.model.microbatches == m and step.model.seq == 4096]
        predicted = [step_time(step.layout, step.model, LLAMA_POLICY, gpu).time_ns for step in same]
        order = sorted(range(4), key=lambda place: predicted[place])
        assert order == sorted(range(4), key=lambda place: same[place].time_ms)


def measured(step: Real) -> Measured:
    """A row to calibrate on."""
    return Measured(step.layout, step.model, step.time_ms * 1e6)


@pytest.mark.parametrize(
    ("layout", "forward_ms", "backward_ms"),
    [
        (Layout(tp=8), 7.7, 11.9),
        (Layout(tp=8, sp=True), 7.2, 11.8),
        (Layout(tp=8, recompute="full"), 7.7, 19.5),
        (Layout(tp=8, recompute="selective"), 7.7, 13.2),
        (Layout(tp=8, sp=True, recompute="selective"), 7.2, 13.1),
    ],
)
def test_korthikantis_table_4_within_8_per_cent(
    layout: Layout, forward_ms: float, backward_ms: float
) -> None:
    told = layer_time(rank_of(layout, B22, PAPER, A100), is_recomputed=layout.recompute == "full")
    assert told.forward.total_ns / 1e6 == pytest.approx(forward_ms, rel=0.08)
    assert (told.backward + told.recompute).total_ns / 1e6 == pytest.approx(backward_ms, rel=0.08)
    assert plan(layout, B22, PAPER, A100).layer == told


@pytest.mark.parametrize(
    ("layout", "seconds"),
    [(Layout(tp=8, sp=True, recompute="selective"), 1.10), (Layout(tp=8, recompute="full"), 1.42)],
)
def test_korthikantis_22b_iterations_within_5_per_cent(layout: Layout, seconds: float) -> None:
    assert step_time(layout, B22, PAPER, A100).time_ns / 1e9 == pytest.approx(seconds, rel=0.05)


def test_the_largest_drop_of_throughput_is_where_tp_leaves_the_node() -> None:
    """In points of what TP=2 reaches, as the Ultra-Scale Playbook's table tells it."""
    model = ModelShape("gpt", 32, 4096, 16384, 32, 32, 51200, 2048, 4, dtype="bfloat16")
    degrees = (2, 4, 8, 16, 32)
    rates = [1 / (tp * step_time(Layout(tp=tp, sp=True), model, GPT_POLICY, H100).time_ns) for tp in degrees]
    drops = {tp: before - after for tp, before, after in zip(degrees[1:], rates, rates[1:], strict=False)}
    assert max(drops, key=lambda tp: drops[tp]) == 16


def test_the_parts_of_a_step_add_up_and_a_pipeline_waits() -> None:
    for step in (*H100_STEPS, *B200_STEPS):
        policy, gpu = (GPT_POLICY, H100) if step.model.family == "gpt" else (LLAMA_POLICY, B200)
        told = step_time(step.layout, step.model, policy, gpu)
        assert told.low_ns < told.time_ns == sum(told.parts_ns.values()) < told.high_ns
        assert (told.parts_ns["pipeline bubble"] > 0) == (step.layout.pp > 1)
