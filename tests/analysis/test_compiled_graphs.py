"""Kernels of graphs in the compiled core against the Python beside them, which is the oracle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commscope.analysis.clocks.bounds import UNBOUNDED, closed
from commscope.analysis.critical_path import slacks
from commscope.analysis.critical_path.run_graph import RunGraph, _topological
from commscope.analysis.result import Window
from commscope.analysis.skeleton.elimination import Tree
from commscope.core import PURE, core
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.report.contract import analysis_document, dumps
from tests.conftest import CHECKOUT

NATIVE = core()
pytestmark = pytest.mark.skipif(NATIVE is None, reason="no compiled core here")
EDGES = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=60)


def both(call):  # type: ignore[no-untyped-def]
    """What the core gives, and what Python gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(PURE, raising=False)
        native = call()
        patch.setenv(PURE, "1")
        return native, call()


@given(EDGES)
def test_orders_are_the_same_with_and_without_cycles(edges: list[tuple[int, int]]) -> None:
    source, target = np.array(edges, dtype=np.int64).reshape(-1, 2).T.copy()
    native, pure = both(lambda: _topological(source, target, 20).tolist())
    assert native == pure


@given(
    EDGES,
    st.lists(st.integers(-5, 30), min_size=80, max_size=80),
    st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_slacks_are_the_same(edges: list[tuple[int, int]], numbers: list[int], span: tuple[int, int]) -> None:
    forward = sorted(
        {(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]}, key=lambda edge: edge[1]
    )
    source, target = np.array(forward, dtype=np.int64).reshape(-1, 2).T.copy()
    none = np.empty(0, dtype=np.int64)
    graph = RunGraph(
        time_ns=np.array(numbers[:20]), rank=np.zeros(20, np.int64), first_edge=np.searchsorted(target, np.arange(21)),
        source=source, weight_ns=np.array(numbers[20 : 20 + len(source)], dtype=np.int64), label=none, row=none,
        stretch=none, labels=(), begin=none, finish=none, gate={number: (7 * number) % 20 for number in range(9)}, marks={},
    )  # fmt: skip
    window = Window("step 1", min(span), max(span))
    again = replace(window, start_ns=window.start_ns - 3)

    def told() -> list[dict[int, int]]:
        made = slacks.Slacks(graph)
        return [made.within(window), made.within(again), made.within(window)]

    native, pure = both(told)
    assert native == pure


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=25),
    st.lists(st.integers(0, 10**6), max_size=8),
)
def test_paths_are_expanded_the_same(pairs: list[tuple[int, int]], asked: list[int]) -> None:
    edges = 5
    first = [one % (edges + place) for place, (one, _) in enumerate(pairs)]
    second = [other % (edges + place) for place, (_, other) in enumerate(pairs)]
    path = np.array([one % (edges + len(pairs)) for one in asked], dtype=np.int64)
    owner = np.arange(len(path))

    def told() -> tuple[list[int], list[int]]:
        tree = Tree(edges, [np.array(first, dtype=np.int32)], [np.array(second, dtype=np.int32)], len(first))
        edge, of = tree.expanded(path, owner)
        return edge.tolist(), of.tolist()

    native, pure = both(told)
    assert native == pure


@given(
    st.integers(1, 7), st.lists(st.one_of(st.integers(-30, 90), st.just(UNBOUNDED)), min_size=49, max_size=49)
)
def test_bounds_are_closed_the_same_with_and_without_contradictions(count: int, numbers: list[int]) -> None:
    bound = np.array(numbers[: count * count], dtype=np.int64).reshape(count, count)
    np.fill_diagonal(bound, 0)
    native, pure = both(lambda: closed(bound).tolist())
    assert native == pure


def test_what_is_no_graph_is_refused() -> None:
    assert NATIVE is not None
    zero, one, two = (np.array(values, dtype=np.int64) for values in ([0, 0], [5], [0, 1]))
    with pytest.raises(ValueError, match="not a graph"):
        NATIVE.topological(two, one, np.zeros(1, dtype=np.int64))
    with pytest.raises(ValueError, match="not a graph"):
        NATIVE.latest(zero, np.array([0, 0, 0]), zero[:0], zero[:0], one, 3)
    with pytest.raises(ValueError, match="not a graph"):
        NATIVE.expand(np.array([9]), one, np.array([9]), zero[:1], 9)
    with pytest.raises(ValueError, match="int64"):
        NATIVE.topological(b"1234", one, zero)
    with pytest.raises(TypeError):
        NATIVE.expand(one)


@pytest.mark.parametrize("saved", sorted((CHECKOUT / "traces").glob("gpt-*")), ids=lambda path: path.name)
def test_saved_runs_are_told_the_same(saved: Path) -> None:
    native, pure = both(lambda: dumps(analysis_document(analyze(open_run(saved), jobs=1))))
    assert native == pure


def test_real_runs_are_told_the_same(real_traces: Path) -> None:
    for name in ("gloo/picotron_tp2_dp2", "dlrm_8rank_v100"):
        native, pure = both(
            lambda run=real_traces / name: dumps(analysis_document(analyze(open_run(run), jobs=1)))
        )
        assert native == pure, name
