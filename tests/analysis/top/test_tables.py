"""Tables of what took longest: their sums are those of the analysis, and contention is told with its doubt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis import top
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.analysis.summary import breakdown_of
from commscope.report.found import table_documents, top_sections
from commscope.trace import RunInfo
from tests.build import build
from tests.programs import Recipe, random_programs
from tests.simulate import World, simulate

US = 1_000
PROGRAM = (
    "layer:0 0-200 | compute 10-20 launch=1 | all_reduce 30-60 | layer:1 200-500"
    " | op:aten::item 210-{item} | compute 400-410 launch=395 | all_reduce 420-460"
)


def analysis_of(*lines: str, **options: object) -> Analysis:
    return join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in build(*lines, **options)])


def two() -> Analysis:
    late = PROGRAM.format(item=380)
    return analysis_of(f"r0: {late}", f"r1: {late.replace('420-460', '412-460').replace('30-60', '25-60')}")


def test_idle_times_are_named_by_the_host_and_layers_by_their_slowest() -> None:
    analysis = two()
    idle = top.idle_times(analysis, "capture").iloc[0]
    assert idle["time_ns"] == 340 * US
    assert idle["host"].startswith("aten::item 170 us in forward of layer 1, no operator: Python before")
    layers = top.layers(analysis, "capture").set_index("layer")
    assert layers["collectives"].tolist() == [2, 2]
    assert (layers.loc[1, "slowest_ns"], layers.loc[1, "slowest_rank"]) == (48 * US, 1)
    assert layers["wait_ns"].tolist() == [5 * US, 8 * US]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), style=st.sampled_from(["cuda", "gloo"]))
def test_tables_sum_to_what_the_analysis_says(seed: int, style: str) -> None:
    programs = random_programs(Recipe(ranks=3, seed=seed))
    ranks = [analyze_rank(trace) for trace in simulate(World(style=style), programs).traces()]
    analysis = join(RunInfo("run", Path("run")), ranks)
    late = top.late_collectives(analysis, "capture")
    waits = analysis.instances.loc[analysis.instances["instance"].notna(), "wait_ns"].sum()
    assert late["wait_ns"].sum() == waits
    assert (late["exposed_wait_ns"] <= late["wait_ns"]).all()
    kernels = top.kernels(analysis)
    assert kernels["time_ns"].is_monotonic_decreasing
    assert (kernels["alone_count"] + kernels["beside_count"] <= kernels["count"]).all()
    idle = top.idle_times(analysis, "capture")
    rows = breakdown_of(analysis, "capture")
    if style == "cuda":
        for row in rows:
            assert idle.loc[idle["rank"] == row.rank, "time_ns"].sum() <= row.idle_ns + (
                row.host_bound_ns or 0
            )
    quantiles = top.rank_quantiles(analysis, "capture").set_index("part")
    assert quantiles.loc["span", "max_ns"] == max(row.span_ns for row in rows)
    assert table_documents(analysis, "capture").keys() >= {"collectives", "kernels", "ranks"}
    assert top_sections(analysis, "capture", 3)


@pytest.mark.parametrize(("factor", "told"), [(1.0, False), (1.3, True)])
def test_a_kernel_is_slowed_only_where_the_interval_says_so(factor: float, told: bool) -> None:
    random = np.random.default_rng(1)
    alone, beside = (100_000 * (1 + 0.05 * random.standard_normal(40)) for _ in range(2))
    beside = beside * factor
    row = {"name": "gemm", "shape": "[8,8]", "rank": 0, "longest_ns": 1, "count": 80}
    row |= {"time_ns": int(alone.sum() + beside.sum())}
    for part, times in (("alone", alone), ("beside", beside)):
        row |= {
            f"{part}_count": 40,
            f"{part}_time_ns": int(times.sum()),
            f"{part}_squares": (times**2 / 1e6).sum(),
        }
    analysis = replace(two(), kernels=pd.DataFrame([row]))
    found = top.slowed_kernels(analysis)
    assert len(found) == told
    if told:
        assert found["low"].iloc[0] < factor < found["high"].iloc[0]
    unshaped = replace(analysis, kernels=analysis.kernels.assign(shape=None))
    assert top.slowed_kernels(unshaped).empty


def test_a_run_without_anything_has_empty_tables() -> None:
    (trace,) = build("r0: compute 0-10", launches=False)
    alone = join(RunInfo("run", Path("run")), [analyze_rank(trace)])
    assert top.late_collectives(alone, "capture").empty
    assert top.layers(alone, "capture").empty
    assert top.slowed_kernels(alone).empty
