"""Degrees of tensor parallelism side by side, and what one rank holds at each place of a layer."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from math import prod

import pytest

from commscope.cli.main import run
from commscope.theory.degrees import degrees_of, largest_drop
from commscope.theory.gpus import GPUS
from commscope.theory.plan import plan
from commscope.theory.shapes import layer_shapes
from commscope.theory.tensor_parallel import layer_volume
from commscope.trace import Layout, ModelShape
from tests.theory.real_steps import B22, GPT_POLICY

H100 = GPUS["h100"]
SMALL = ModelShape("gpt", 32, 4096, 16384, 32, 32, 51200, 2048, 4, dtype="bfloat16")
LINE = "plan gpt --sp --layers 32 --hidden 4096 --heads 32 --seq 2048 --batch 4 --vocab 51200 --dtype bfloat16 --tied"


def test_throughput_falls_most_where_tp_leaves_the_node() -> None:
    for node in (8, 16):
        gpu = replace(H100, gpus_per_node=node, nics_per_node=node)
        degrees = degrees_of(Layout(sp=True), B22, GPT_POLICY, gpu, (2, 4, 8, 16, 32))
        drop = largest_drop(degrees)
        assert drop is not None
        assert (drop[0].tp, drop[1].tp) == (node, 2 * node)
        assert drop[0].nodes < drop[1].nodes


def test_each_degree_is_the_plan_of_that_degree_and_one_rank_has_no_sp() -> None:
    first, second = degrees_of(Layout(sp=True), SMALL, GPT_POLICY, H100, (2, 1))
    assert (first.tp, second.tp) == (1, 2)
    assert first.planned == plan(Layout(), SMALL, GPT_POLICY, H100)
    assert second.planned == plan(Layout(tp=2, sp=True), SMALL, GPT_POLICY, H100)
    assert second.throughput == pytest.approx(2048 * 4 / 2 / second.planned.step.time_ns * 1e9)


def test_a_degree_that_does_not_divide_says_so() -> None:
    (three,) = degrees_of(Layout(), SMALL, GPT_POLICY, H100, (3,))
    assert three.throughput is None
    assert "not a multiple of 3" in three.refused
    assert largest_drop((three,)) is None


@pytest.mark.parametrize("family", ["gpt", "llama"])
def test_shapes_of_a_layer_are_those_its_collectives_carry(family: str) -> None:
    """What an all_gather makes and a reduce_scatter or all_reduce takes is P, the whole activation."""
    model = replace(B22, family=family)
    rows = layer_shapes(model, 8)
    whole = prod((model.seq, model.batch, model.hidden)) * 2
    assert {row.payload_bytes for row in layer_volume(Layout(tp=8, sp=True), model)} == {whole}
    for before, row in pairwise(rows):
        if row.by_sp == "all_gather":
            assert prod(row.sp) == 8 * prod(before.sp) == whole // 2
        if row.by_sp == "reduce_scatter":
            assert 8 * prod(row.sp) == prod(before.sp) == whole // 2
            assert row.by_tp == "all_reduce"
            assert row.tp == before.tp
    calls = [row.by_sp for row in rows if row.by_sp]
    assert (calls.count("all_gather"), calls.count("reduce_scatter")) == (2, 2)


def test_the_command_shows_degrees_the_node_and_the_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*LINE.split(), "--tp", "1,2,4,8,16,32", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["largest_drop"] == {"from": 8, "to": 16}
    assert [row["tp"] for row in told["rows"]] == [1, 2, 4, 8, 16, 32]
    assert [row["nodes"] for row in told["rows"]] == [1, 1, 1, 1, 2, 4]
    assert told["rows"][0]["relative_throughput"] == 1
    assert told["shapes_at"] == 8
    assert run([*LINE.split(), "--tp", "2,4,8", "--gpus-per-node", "4"]) == 0
    assert "from TP=4 to TP=8, where TP leaves the node of 4" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["0", "2,", "two", "2,-4"])
def test_what_is_no_degree_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "gpt", "--tp", text]) == 2
    assert "no number of ranks" in capsys.readouterr().err
