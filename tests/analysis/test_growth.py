"""What analysis costs grows with its input: twice the input costs at most 2.5 times.

Costs are numbers of edges where those decide, else ratios of CPU times within one run, best of several: what else runs
on the machine slows both sides.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from commscope.analysis.critical_path.path import paths_of
from commscope.analysis.critical_path.run_graph import EdgeLabel, RunGraph
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis, Intervals, RankAnalysis, Window
from commscope.analysis.summary import typical_window
from commscope.analysis.waits import WaitRange, with_waits
from commscope.schema import EventKind
from commscope.trace import Lane, RankTrace, RunInfo
from tests.analysis.tables import World, analyses, simulate
from tests.build import Row, build, trace_of

AT_MOST = 2.5
REPEATS = 3
ATTEMPTS = 4  # quadratic work is 4 times as much in each
MAIN = Lane("1", "main")
US = 1_000


def cpu_s(work: Callable[[], object]) -> float:
    """Least CPU time of one call; the collector's pauses, which fall anywhere, are left out."""
    best = float("inf")
    for _ in range(REPEATS):
        gc.collect()
        gc.disable()
        try:
            begun = time.process_time()
            work()
            best = min(best, time.process_time() - begun)
        finally:
            gc.enable()
    return best


def growth(work: Callable[[int], Callable[[], object]], size: int) -> float:
    """How many times more twice the size costs; looked at again where noise may have made it too much."""
    once, twice = work(size), work(2 * size)
    least = float("inf")
    for _ in range(ATTEMPTS):
        least = min(least, cpu_s(twice) / cpu_s(once))
        if least <= AT_MOST:
            break
    return least


def joined(ranks: Sequence[RankAnalysis]) -> Analysis:
    return join(RunInfo("run", Path("run")), ranks)


def with_steps(steps: int, each: int = 1) -> RankTrace:
    items = []
    for step in range(steps):
        at = step * 100 * each
        items.append(f"step {at}-{at + 100 * each - 1}")
        for n in range(each):
            here = at + 100 * n
            items.append(f"compute {here + 2}-{here + 30} | all_reduce {here + 40}-{here + 60}")
    return build("r0: " + " | ".join(items))[0]


def ranges_without_operators(count: int, workers: int) -> RankTrace:
    """gloo's own ranges on worker threads while the main thread computes in one step."""
    rows = [Row(0, 100 * count * US - 1, EventKind.ANNOTATION, "ProfilerStep#0", MAIN)]
    for n in range(count):
        for k in range(3):
            begun = 100 * n + 30 * k + n % 5
            rows.append(Row(begun * US, (begun + 20) * US, EventKind.OP, "aten::mm", MAIN))
        start, length = 100 * n + (17 * n) % 40, 20 + (13 * n) % 40
        worker = Lane("1", f"worker {n % workers}")
        rows.append(Row(start * US, (start + length) * US, EventKind.ANNOTATION, "gloo:all_reduce", worker))
    return trace_of(rows, backend="gloo", world_size=2)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_ranges_of_gloo_without_operators_make_a_sparse_graph(workers: int) -> None:
    """Each start hung on every end before it: 400 ranges made 80,000 edges."""
    edges = []
    for count in (200, 400):
        skeleton = analyze_rank(ranges_without_operators(count, workers)).skeleton
        assert skeleton is not None
        edges.append(len(skeleton.edge_source))
    assert edges[1] <= AT_MOST * edges[0]


@pytest.mark.slow
def test_the_cost_of_steps() -> None:
    def analyzed(steps: int) -> Callable[[], object]:
        trace = with_steps(steps)
        return lambda: joined([analyze_rank(trace)])

    assert growth(analyzed, 500) <= AT_MOST


def as_many_steps(analysis: RankAnalysis, steps: int) -> RankAnalysis:
    """The rank with its whole breakdown and one span of everything in each of so many steps."""
    windows = tuple(Window(f"step {n}", 100 * n, 100 * n + 100, n) for n in range(steps))
    rows = tuple(replace(analysis.breakdown[0], window=one.name, span_ns=one.span_ns) for one in windows)
    at = 100 * np.arange(steps, dtype=np.int64)
    made = pd.DataFrame({"start_ns": at + 10, "end_ns": at + 60, "is_call_only": False})
    exposed = Intervals(at + 20, at + 50)
    return replace(analysis, windows=windows, breakdown=rows, instances=made, exposed=exposed)


def one_rank() -> RankAnalysis:
    return analyses(simulate(World(ranks=1, count=2))[0])[0]


@pytest.mark.slow
def test_the_waits_of_many_steps() -> None:
    def told(steps: int) -> Callable[[], object]:
        rank = as_many_steps(one_rank(), steps)
        waited_ns = np.full(steps, 40, dtype=np.int64)
        return lambda: with_waits(rank, WaitRange(waited_ns, waited_ns))

    assert growth(told, 3_000) <= AT_MOST


def test_the_typical_one_of_many_steps() -> None:
    def chosen(steps: int) -> Callable[[], object]:
        rank = as_many_steps(one_rank(), steps)
        analysis = replace(joined([one_rank()]), windows=rank.windows, breakdown=rank.breakdown)
        return lambda: typical_window(analysis)

    assert growth(chosen, 2_000) <= AT_MOST


def test_the_slacks_of_many_steps() -> None:
    """A chain of one rank, a window an edge."""

    def swept(steps: int) -> Callable[[], object]:
        at = np.arange(steps + 1, dtype=np.int64)
        graph = RunGraph(
            time_ns=100 * at, rank=0 * at, first_edge=np.r_[0, at], source=at[:-1], weight_ns=100 + 0 * at[:-1],
            label=0 * at[:-1], row=0 * at[:-1] - 1, stretch=0 * at[:-1] - 1,
            labels=(EdgeLabel("compute", None, None),), begin=at[:0], finish=at[:0],
            gate={n: n for n in range(steps)},
            marks={f"step {n}": ((0, n, n + 1),) for n in range(steps)},
        )  # fmt: skip
        windows = [Window(f"step {n}", 100 * n, 100 * n + 100, n) for n in range(steps)]
        return lambda: paths_of(graph, windows)

    assert growth(swept, 3_000) <= AT_MOST


@pytest.mark.slow
def test_the_cost_of_collectives() -> None:
    def analyzed(count: int) -> Callable[[], object]:
        trace = with_steps(2, count // 2)
        return lambda: joined([analyze_rank(trace)])

    assert growth(analyzed, 1_000) <= AT_MOST


@pytest.mark.slow
def test_the_cost_of_ranks() -> None:
    def analyzed(ranks: int) -> Callable[[], object]:
        parts = analyses(simulate(World(ranks=ranks, facts=True))[0], world_size=ranks)
        return lambda: joined(parts)

    assert growth(analyzed, 16) <= AT_MOST


def test_the_cost_of_names() -> None:
    def analyzed(names: int) -> Callable[[], object]:
        items = [
            f"compute {10 * n}-{10 * n + 5} | op:aten::own{n} {10 * n}-{10 * n + 3}" for n in range(names)
        ]
        trace = build("r0: " + " | ".join(items))[0]
        return lambda: analyze_rank(trace)

    assert growth(analyzed, 3_000) <= AT_MOST
