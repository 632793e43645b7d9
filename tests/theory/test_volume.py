"""Volume tables worked out on paper, and ones counted by others on Megatron-core and DTensor."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commscope.errors import UsageProblem
from commscope.theory.volume import VolumeRow, step_volume
from commscope.trace import Layout, ModelShape

AR, AG, RS = "all_reduce", "all_gather", "reduce_scatter"
TINY = ModelShape("gpt", 2, 128, 512, 4, 4, 256, 64, 2)  # P = 64 x 2 x 128 x 4 = 65,536
TINY_LLAMA = replace(TINY, family="llama")
B22 = ModelShape("gpt", 48, 6144, 24576, 64, 64, 51200, 2048, 4, dtype="bfloat16")
P_TINY = 65_536
P_22B = 100_663_296


def counts(rows: tuple[VolumeRow, ...], **where: object) -> dict[str, int]:
    found: Counter[str] = Counter()
    for row in rows:
        if all(getattr(row, key) == value for key, value in where.items()):
            found[row.collective] += row.count
    return dict(found)


def wire(rows: tuple[VolumeRow, ...]) -> int:
    return sum(row.total_wire_bytes for row in rows)


def one_more_layer(layout: Layout, model: ModelShape = TINY) -> dict[str, int]:
    """What a third layer adds: the table of Megatron-core runs, forward, backward and recompute together."""
    longer = counts(step_volume(layout, replace(model, layers=3)))
    shorter = counts(step_volume(layout, replace(model, layers=2)))
    return {kind: n - shorter.get(kind, 0) for kind, n in longer.items() if n != shorter.get(kind, 0)}


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (Layout(tp=4), {AR: 4}),
        (Layout(tp=4, sp=True), {AG: 6, RS: 4}),
        (Layout(tp=4, sp=True, sp_keep_gathered=True), {AG: 4, RS: 4}),
        (Layout(tp=4, recompute="full"), {AR: 6}),
        (Layout(tp=4, recompute="full", distribute_saved=True), {AR: 6, AG: 1}),
        (Layout(tp=4, sp=True, recompute="full"), {AG: 8, RS: 6}),
        (Layout(tp=4, recompute="full-nonreentrant"), {AR: 5}),
        (Layout(tp=4, recompute="full-no-early-stop"), {AR: 6}),
        (Layout(tp=4, sp=True, recompute="full-nonreentrant"), {AG: 8, RS: 5}),
        (Layout(tp=4, recompute="selective"), {AR: 4}),
        (Layout(tp=4, sp=True, recompute="selective"), {AG: 6, RS: 4}),
        (Layout(tp=4, fused=False), {AR: 6}),
        (Layout(tp=4, overlap=True), {AR: 4}),
    ],
)
def test_a_layer_issues_what_megatron_core_issues(layout: Layout, expected: dict[str, int]) -> None:
    assert one_more_layer(layout) == expected


@pytest.mark.parametrize(
    ("layout", "forward", "backward", "recompute"),
    [
        (Layout(tp=4, fused=False, impl="dtensor"), {AR: 2}, {AR: 5}, {}),
        (Layout(tp=4, impl="dtensor"), {AR: 2}, {AR: 2}, {}),
        (Layout(tp=4, sp=True, impl="dtensor"), {AG: 2, RS: 2}, {AG: 2, RS: 2}, {}),
        (Layout(tp=4, sp=True, fused=False, impl="dtensor"), {AG: 5, RS: 2}, {AG: 2, RS: 5}, {}),
        (Layout(tp=4, impl="dtensor", recompute="full-nonreentrant"), {AR: 2}, {AR: 2}, {AR: 1}),
        (
            Layout(tp=4, sp=True, impl="dtensor", recompute="full-nonreentrant"),
            {AG: 2, RS: 2},
            {AG: 2, RS: 2},
            {AG: 2, RS: 1},
        ),
    ],
)
def test_a_llama_layer_issues_what_dtensor_plans_issue(
    layout: Layout, forward: dict[str, int], backward: dict[str, int], recompute: dict[str, int]
) -> None:
    one = step_volume(layout, replace(TINY_LLAMA, layers=1))
    two = step_volume(layout, replace(TINY_LLAMA, layers=2))
    for phase, expected in (("forward", forward), ("backward", backward), ("recompute", recompute)):
        more = Counter(counts(two, phase=phase))
        more.subtract(counts(one, phase=phase))
        assert {kind: n for kind, n in more.items() if n} == expected


@pytest.mark.parametrize(
    ("layout", "expected", "gigabytes"),
    [
        (Layout(tp=8), {AR: 197}, 34.2),
        (Layout(tp=8, sp=True), {AG: 291, RS: 193, AR: 5}, 42.8),
        (Layout(tp=8, recompute="full"), {AR: 293}, 51.1),
        (Layout(tp=8, sp=True, recompute="full"), {AG: 387, RS: 289, AR: 5}, 59.7),
    ],
)
def test_the_22b_model_moves_what_was_counted(
    layout: Layout, expected: dict[str, int], gigabytes: float
) -> None:
    rows = step_volume(layout, B22)
    assert counts(rows) == expected
    assert round(wire(rows) / 1e9, 1) == gigabytes


def test_the_22b_model_sums_7_mb_of_norm_and_bias_gradients() -> None:
    (row,) = [row for row in step_volume(Layout(tp=8, sp=True), B22) if row.phase == "other"]
    assert (row.payload_bytes, row.dtype, row.role, row.count) == (7_127_040, "float32", "sp", 1)


def test_two_layers_of_gpt_under_tp_count_8_forward_and_5_backward() -> None:
    rows = step_volume(Layout(tp=2), TINY)
    assert counts(rows, phase="forward") == {AR: 8}
    assert counts(rows, phase="backward") == {AR: 5}
    assert counts(rows, role="loss") == {AR: 3}
    assert counts(rows, role="embedding") == {AR: 1}
    # 10 activations and 3 x 64 x 2 float32 for the loss; a ring of two sends the payload once
    assert wire(rows) == 10 * P_TINY + 3 * 512


def test_two_layers_of_gpt_under_sp_gather_the_whole_embedding_first() -> None:
    rows = step_volume(Layout(tp=2, sp=True), TINY)
    assert counts(rows, phase="forward") == {AG: 5, RS: 4, AR: 4}
    assert counts(rows, phase="backward") == {AG: 10, RS: 5}
    assert counts(rows, phase="other") == {AR: 1}
    gradients = (2 * 6 * 128 + 2 * 128) * 4
    assert wire(rows) == (24 * P_TINY + 2 * P_TINY) // 2 + 3 * 512 + gradients


def test_llama_under_sp_scatters_the_embedding_and_has_fewer_gradients_to_sum() -> None:
    rows = step_volume(Layout(tp=2, sp=True), TINY_LLAMA)
    assert counts(rows, phase="forward", role="embedding") == {RS: 1}
    assert counts(rows, phase="backward", role="embedding") == {AG: 1}
    (row,) = [row for row in rows if row.phase == "other"]
    assert row.payload_bytes == (2 * 2 * 128 + 128) * 4


def test_an_unfused_llama_layer_makes_seven_all_reduces() -> None:
    assert one_more_layer(Layout(tp=2, fused=False), TINY_LLAMA) == {AR: 7}


def test_keeping_the_gathered_input_moves_exactly_what_tp_moves_but_for_the_edges() -> None:
    """all_gather(P) + reduce_scatter(P) = all_reduce(P) on a ring."""
    one, two = replace(TINY_LLAMA, layers=1), TINY_LLAMA
    tp = wire(step_volume(Layout(tp=4), two)) - wire(step_volume(Layout(tp=4), one))
    kept = Layout(tp=4, sp=True, sp_keep_gathered=True)
    gradients = 2 * 128 * 4 * 2 * 3 // 4
    assert wire(step_volume(kept, two)) - wire(step_volume(kept, one)) - gradients == tp


def test_megatrons_sp_layer_moves_five_quarters_of_tps() -> None:
    per_layer = {
        sp: sum(r.total_wire_bytes for r in step_volume(Layout(tp=8, sp=sp), B22) if r.role in {"tp", "sp"})
        for sp in (False, True)
    }
    # 10 (t-1)/t P a layer against 8 (t-1)/t P; the head adds 3 against 2, and the gradients 1.75 x 7.1 MB
    p = P_22B * 7 // 8
    assert per_layer[False] == 48 * 8 * p + 2 * p
    assert per_layer[True] == 48 * 10 * p + 3 * p + 2 * 7 * 7_127_040 // 8


def test_only_the_first_layers_are_recomputed() -> None:
    rows = step_volume(Layout(tp=2, recompute="full", recompute_layers=1), TINY)
    assert counts(rows, phase="recompute") == {AR: 2}
    more = step_volume(Layout(tp=2, recompute="full", recompute_layers=9), TINY)
    assert counts(more, phase="recompute") == {AR: 4}


def test_fewer_kv_heads_than_ranks_gather_the_fused_qkv() -> None:
    grouped = replace(TINY_LLAMA, kv_heads=2)
    rows = step_volume(Layout(tp=4), grouped)
    # 64 x 2 tokens of 128 + 2 x 2 x 32 columns in float32
    extra = [row for row in rows if row.payload_bytes == 128 * 256 * 4]
    assert {(row.phase, row.collective, row.count) for row in extra} == {
        ("forward", AG, 2),
        ("backward", RS, 2),
    }
    assert counts(step_volume(Layout(tp=2), grouped)) == counts(step_volume(Layout(tp=2), TINY_LLAMA))


def test_microbatches_multiply_all_but_the_sum_of_gradients() -> None:
    one = step_volume(Layout(tp=2, sp=True), TINY)
    three = step_volume(Layout(tp=2, sp=True), replace(TINY, microbatches=3))
    for phase, factor in (("forward", 3), ("backward", 3), ("other", 1)):
        expected = {kind: n * factor for kind, n in counts(one, phase=phase).items()}
        assert counts(three, phase=phase) == expected


def test_one_rank_alone_moves_nothing() -> None:
    assert step_volume(Layout(), TINY) == ()


@given(
    tp=st.sampled_from([2, 4, 8]),
    sp=st.booleans(),
    keep=st.booleans(),
    recompute=st.sampled_from(["none", "full", "full-nonreentrant", "selective"]),
    layers=st.integers(1, 5),
    microbatches=st.integers(1, 3),
)
def test_rows_are_unique_positive_and_linear_in_layers(
    tp: int, sp: bool, keep: bool, recompute: str, layers: int, microbatches: int
) -> None:
    layout = Layout(tp=tp, sp=sp, sp_keep_gathered=keep, recompute=recompute)
    model = replace(TINY_LLAMA, layers=layers, microbatches=microbatches)
    rows = step_volume(layout, model)
    assert all(row.count > 0 and row.payload_bytes > 0 for row in rows)
    assert len({replace(row, count=0) for row in rows}) == len(rows)
    longer = [wire(step_volume(layout, replace(model, layers=layers + k))) for k in (0, 1, 2)]
    assert longer[2] - longer[1] == longer[1] - longer[0]


@pytest.mark.parametrize("layout", [Layout(tp=2, pp=2), Layout(cp=2), Layout(tp=2, recompute="some")])
def test_a_layout_without_a_closed_form_is_refused(layout: Layout) -> None:
    with pytest.raises(UsageProblem, match=r"closed form|recompute"):
        step_volume(layout, TINY)


def data_rows(kind: str, model: ModelShape = TINY) -> set[tuple[str, str, int, int]]:
    rows = step_volume(Layout(tp=2, dp=2, dp_kind=kind), model)
    return {(row.phase, row.collective, row.payload_bytes, row.count) for row in rows if row.group == "dp"}


# One rank's parameters under TP=2, by hand: QKV, projection, MLP and their biases halved where they are split
LAYER = (128 * 384 + 384 + 128 * 128 + 128 * 512 + 512 + 512 * 128) // 2 + 6 * 128
EMBEDDING, FINAL = 256 * 128 // 2 + 64 * 128, 2 * 128 + 256 * 128 // 2
ALL = 2 * LAYER + EMBEDDING + FINAL


def test_ddp_reduces_all_gradients_once() -> None:
    assert data_rows("ddp") == {("backward", AR, 4 * ALL, 1)}
    assert data_rows("ddp", replace(TINY, microbatches=4)) == data_rows("ddp")


def test_zero1_scatters_gradients_and_gathers_parameters() -> None:
    assert data_rows("zero1") == {("other", RS, 4 * ALL, 1), ("optimizer", AG, 4 * ALL, 1)}


def test_fsdp2_gathers_each_unit_twice_but_the_root_once() -> None:
    root = 4 * (EMBEDDING + FINAL)
    assert data_rows("fsdp2") == {
        ("forward", AG, 4 * LAYER, 2),
        ("forward", AG, root, 1),
        ("backward", AG, 4 * LAYER, 2),
        ("backward", RS, 4 * LAYER, 2),
        ("backward", RS, root, 1),
    }


def test_under_fsdp2_sp_sums_slices_of_norms_and_biases() -> None:
    rows = step_volume(Layout(tp=2, sp=True, dp=2, dp_kind="fsdp2"), TINY)
    (row,) = [row for row in rows if row.phase == "other"]
    assert row.payload_bytes == (2 * 6 + 2) * 64 * 4


@pytest.mark.parametrize(("family", "layers", "expected"), [("gpt", 2, 30), ("llama", 6, 39)])
def test_dtensors_partial_norm_gradients_are_reduced_three_times_each(
    family: str, layers: int, expected: int
) -> None:
    """As in traces of DTensor's plan with LayerNorm in 2 layers, and of torchtitan with RMSNorm in 6."""
    model = replace(TINY, family=family, layers=layers)
    rows = step_volume(Layout(tp=2, sp=True, impl="dtensor"), model)
    (row,) = [row for row in rows if row.phase == "optimizer"]
    assert (row.collective, row.count, row.payload_bytes) == (AR, expected, 128 * 4)
    assert not [row for row in rows if row.phase == "other"]
