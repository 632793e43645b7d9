"""A host far ahead of its device: the device holds its steps back, whatever the host is at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.schema import NO_VALUE
from commscope.trace import RankTrace, RunInfo
from commscope.whatif import Scale, Scenario, replay
from tests.analysis.far_ahead import Launches, launched
from tests.build import build

STEP = "step 7"
LATER_US = 0.25  # so that no kernel begins or ends with a step


def analysis_of(asked: Launches, *, unseen: int = 0) -> Analysis:
    """A step of those launches and kernels, and a short one behind it; the first `unseen` kernels bear no launch."""
    start, end, begun = (column.tolist() for column in launched(asked))
    items = [
        f"compute {at + LATER_US}-{at + LATER_US + asked.kernel_us} launch={called} took={returned - called}"
        for called, returned, at in zip(start, end, begun, strict=True)
    ]
    host = end[-1]
    line = f"r0: step 0-{host} number=7 | step {host}-{host + 50} number=8 | " + " | ".join(items)
    (trace,) = build(line)
    return join(RunInfo("run", Path("run")), [analyze_rank(unseen_launches(trace, unseen))])


def unseen_launches(trace: RankTrace, count: int) -> RankTrace:
    """The same, recorded from after the launch of its first kernels on."""
    correlation = trace.events.correlation.copy()
    correlation[np.flatnonzero(trace.events.on_device())[:count]] = NO_VALUE
    return replace(trace, events=replace(trace.events, correlation=correlation))


def path_us(analysis: Analysis) -> dict[str, int]:
    (path,) = [one for one in analysis.critical_paths if one.window == STEP]
    return {kind: ns // 1_000 for kind, ns in path.by_kind_ns.items() if ns >= 1_000}


def after_us(analysis: Analysis, scenario: Scenario, window: str) -> float:
    return replay(analysis, scenario, window).after_ns / 1_000


def test_a_step_whose_host_runs_ahead_is_held_back_by_its_device() -> None:
    analysis = analysis_of(Launches(900, kernel_us=10))  # the host takes 1,800 us, the kernels 9,000
    assert path_us(analysis) == {"compute": pytest.approx(1_797, abs=3), "latency": pytest.approx(2, abs=2)}


def test_so_is_one_whose_device_is_still_at_what_was_launched_before_the_recording() -> None:
    assert path_us(analysis_of(Launches(900, kernel_us=10), unseen=400))["compute"] == pytest.approx(
        1_797, abs=3
    )


def test_a_host_that_waits_for_what_was_launched_before_the_recording_is_held_up_by_that() -> None:
    (trace,) = build(
        "r0: compute 0-500 | compute 501-1000 | runtime:cudaDeviceSynchronize 5-1003 | compute 1030-1040 launch=1010"
    )
    analysis = join(RunInfo("run", Path("run")), [analyze_rank(unseen_launches(trace, 2))])
    kinds = analysis.critical_paths[0].by_kind_ns
    assert kinds["compute"] == 1_009_000
    assert kinds["latency"] < 30_000


def test_so_is_one_whose_host_stands_at_a_full_queue() -> None:
    analysis = analysis_of(
        Launches(2_000, kernel_us=20)
    )  # 1,000 ahead; then each launch takes a kernel's 20 us
    assert path_us(analysis)["compute"] == pytest.approx(20_000, abs=100)


def test_a_step_whose_device_waits_for_every_launch_is_held_back_by_its_host() -> None:
    analysis = analysis_of(Launches(900, kernel_us=1, launch_us=5))
    assert path_us(analysis)["host"] == pytest.approx(4_490, abs=10)  # but for the last launch to the mark


def test_slower_kernels_lengthen_the_step_of_a_host_that_runs_ahead_and_its_launches_bound_it() -> None:
    analysis = analysis_of(Launches(900, kernel_us=10))
    assert after_us(analysis, Scenario(scales=(Scale("compute", 2.0),)), STEP) == pytest.approx(3_600, abs=10)
    assert after_us(analysis, Scenario(scales=(Scale("compute", 0.1),)), STEP) == pytest.approx(1_800, abs=10)


def test_quicker_kernels_make_room_in_the_queue_sooner() -> None:
    analysis = analysis_of(Launches(2_000, kernel_us=20))
    quick = analysis_of(Launches(2_000, kernel_us=5))
    predicted = after_us(analysis, Scenario(scales=(Scale("compute", 0.25),)), "capture")
    assert predicted == pytest.approx(after_us(quick, Scenario(), "capture"), rel=0.01)
