"""The paper's equations, written down here as they stand there, against the itemised forms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commscope.theory.flops import step_flops
from commscope.theory.memory import activation_bytes, edge_bytes, layer_bytes, rank_memory
from commscope.theory.parameters import rank_parameters
from commscope.trace import Layout, ModelShape

S, B, H, A, V, L, T = 2048, 4, 6144, 64, 51200, 48, 8
B22 = ModelShape("gpt", L, H, 4 * H, A, A, V, S, B, dtype="bfloat16")
SBH = S * B * H
MODELS = {
    "22B": B22,
    "175B": replace(B22, layers=96, hidden=12288, ffn=4 * 12288, heads=96, kv_heads=96, batch=1),
    "530B": replace(B22, layers=105, hidden=20480, ffn=4 * 20480, heads=128, kv_heads=128, batch=1),
    "1T": replace(B22, layers=128, hidden=25600, ffn=4 * 25600, heads=160, kv_heads=160, batch=1),
}


def test_a_layer_saves_what_equations_1_2_and_4_say() -> None:
    quadratic = 5 * A * S / H
    assert layer_bytes(Layout(), B22) == pytest.approx(SBH * (34 + quadratic))
    assert layer_bytes(Layout(tp=T), B22) == pytest.approx(SBH * (10 + 24 / T + quadratic / T))
    assert layer_bytes(Layout(tp=T, sp=True), B22) == pytest.approx(SBH / T * (34 + quadratic))


def test_selective_recompute_drops_the_term_with_the_number_of_heads() -> None:
    assert layer_bytes(Layout(tp=T, recompute="selective"), B22) == pytest.approx(SBH * (10 + 24 / T))
    assert layer_bytes(Layout(tp=T, sp=True, recompute="selective"), B22) == pytest.approx(SBH * 34 / T)


def test_full_recompute_saves_the_input_of_each_layer() -> None:
    assert activation_bytes(Layout(tp=T, recompute="full"), B22) == 2 * SBH * L
    assert activation_bytes(Layout(tp=T, recompute="full", distribute_saved=True), B22) == 2 * SBH * L / T
    half = Layout(tp=T, recompute="full", recompute_layers=L // 2)
    assert activation_bytes(half, B22) == pytest.approx(L / 2 * (2 * SBH + layer_bytes(Layout(tp=T), B22)))


def test_keeping_the_gathered_inputs_costs_two_whole_activations_a_layer() -> None:
    kept = layer_bytes(Layout(tp=T, sp=True, sp_keep_gathered=True), B22)
    assert kept - layer_bytes(Layout(tp=T, sp=True), B22) == pytest.approx(2 * 2 * SBH * (1 - 1 / T))


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("22B", (66.8, 49.4, 16.1, 7.6)),
        ("175B", (62.0, 56.5, 18.5, 8.7)),
        ("530B", (58.3, 61.9, 20.2, 9.5)),
        ("1T", (58.3, 61.9, 20.2, 9.5)),
    ],
)
def test_figure_7_follows_from_equation_2(name: str, shares: tuple[float, ...]) -> None:
    """Per cent of TP's activations under SP, selective, both, and full recompute."""
    model = MODELS[name]
    tp = layer_bytes(Layout(tp=T), model)
    others = (
        layer_bytes(Layout(tp=T, sp=True), model),
        layer_bytes(Layout(tp=T, recompute="selective"), model),
        layer_bytes(Layout(tp=T, sp=True, recompute="selective"), model),
        activation_bytes(Layout(tp=T, recompute="full"), model) / model.layers,
    )
    assert tuple(round(100 * other / tp, 1) for other in others) == shares


def test_the_papers_less_than_a_hundredth_of_a_per_cent_is_half_a_per_cent() -> None:
    edges = edge_bytes(Layout(tp=T, sp=True), B22)
    assert edges == pytest.approx(SBH / T + 4 * SBH / T * (1 + V / H))
    whole = L * SBH / T * (34 + 5 * A * S / H)
    assert edges / whole == pytest.approx(0.0057, abs=2e-4)


def test_mixed_precision_holds_18_bytes_a_parameter_and_a_distributed_optimizer_shards_12() -> None:
    parameters = rank_parameters(Layout(tp=T), B22).total
    plain = rank_memory(Layout(tp=T), B22)
    state = plain.weights_bytes + plain.gradients_bytes + plain.optimizer_bytes
    assert state == 18 * parameters
    sharded = rank_memory(Layout(tp=T, dp=4, dp_kind="zero1"), B22)
    assert sharded.weights_bytes + sharded.gradients_bytes + sharded.optimizer_bytes == 9 * parameters
    fp32 = rank_memory(Layout(), replace(B22, dtype="float32"))
    assert fp32.optimizer_bytes == 2 * fp32.weights_bytes


def test_parameters_of_the_22b_model() -> None:
    """12 L h^2 (1 + 13/12h) by Narayanan et al., plus both vocabulary matrices, positions and final norm."""
    layers = 12 * L * H * H + 13 * L * H
    assert rank_parameters(Layout(), B22).total == layers + 2 * V * H + S * H + 2 * H


def test_operations_follow_the_closed_form_of_appendix_a() -> None:
    needed = 72 * B * L * S * H * H * (1 + S / (6 * H) + V / (12 * H * L))
    assert step_flops(Layout(), B22).model == pytest.approx(needed)
    assert step_flops(Layout(), B22).hardware == step_flops(Layout(), B22).model
    assert step_flops(Layout(), replace(B22, microbatches=3)).model == pytest.approx(3 * needed)


def test_recompute_repeats_layers_but_not_the_head() -> None:
    full = 96 * B * L * S * H * H * (1 + S / (6 * H)) + 6 * B * S * H * V
    assert step_flops(Layout(recompute="full"), B22).hardware == pytest.approx(full)
    core = 72 * B * L * S * H * H * (1 + 2 * S / (9 * H) + V / (12 * H * L))
    assert step_flops(Layout(recompute="selective"), B22).hardware == pytest.approx(core)


def test_published_model_utilisation_of_the_22b_model_follows() -> None:
    """Table 5: 1.10 s (so 1.095 to 1.105), 8 A100 of 312 TFLOP/s, 41.5 %."""
    slowest, fastest = (step_flops(Layout(tp=T), B22).model / (t * 8 * 312e12) for t in (1.105, 1.095))
    assert slowest <= 0.415 + 0.0005
    assert fastest >= 0.415


def test_llama_counts_three_products_and_fewer_kv_columns() -> None:
    """Per token and layer, by hand: 2(2h^2 + 2 h kv + 3 h f) + 4 s h with h 8, f 16, kv width 4, s 32."""
    model = ModelShape("llama", 1, 8, 16, 4, 2, 64, 32, 1)
    layer = 32 * (2 * (2 * 64 + 2 * 8 * 4 + 3 * 8 * 16) + 4 * 32 * 8)
    assert step_flops(Layout(), model).model == 3 * (layer + 2 * 32 * 8 * 64)
