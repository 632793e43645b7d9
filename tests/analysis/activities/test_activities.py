"""What a rank did between its collectives, by name: kernels, operators, calls, and Python without any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis import intervals as iv
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Activity, RankAnalysis
from commscope.schema import EventKind
from commscope.trace import RankTrace
from tests.build import Row, build, trace_of
from tests.programs import Recipe, random_programs
from tests.simulate import World, simulate

US = 1_000


def spent(one: RankAnalysis, *, host: bool = False) -> dict[Activity, int]:
    """Time in us by activity, over all cells."""
    assert one.activities is not None
    sums = one.activities.host if host else one.activities.device
    total: dict[Activity, int] = {}
    for which, time_ns in zip(sums.activity.tolist(), sums.time_ns.tolist(), strict=True):
        activity = one.activities.names[which]
        total[activity] = total.get(activity, 0) + time_ns
    return {activity: time_ns // US for activity, time_ns in total.items()}


def test_idle_time_of_a_device_is_named_by_what_the_host_did() -> None:
    (trace,) = build(
        "r0: compute 0-10 launch=0 | op:aten::item 20-60 | runtime:cudaStreamSynchronize 25-58"
        " | op:aten::mm 90-95 | compute 95-120 launch=91 | all_reduce 120-140"
    )
    told = {(one.kind, one.name, one.call): us for one, us in spent(analyze_rank(trace)).items()}
    assert told["host_bound", "aten::item", "cudaStreamSynchronize"] == 40
    assert told["compute", "compute_kernel", None] == 35


def test_time_without_an_operator_is_told_by_its_neighbours_phase_and_layer() -> None:
    (trace,) = build(
        "r0: step 0-900 | phase:forward 0-900 | layer:3 0-500 | op:aten::mm 10-20 | op:aten::relu 420-440"
        " | layer:4 500-900 | op:aten::add 510-520 | all_reduce 880-900",
        style="gloo",
    )
    [(activity, us)] = [
        (one, us)
        for one, us in spent(analyze_rank(trace)).items()
        if one.between == ("aten::mm", "aten::relu")
    ]
    assert (activity.phase, activity.layer, activity.is_python, us) == ("forward", 3, True, 400)


def test_an_annotation_names_the_python_inside_it_and_an_operator_itself() -> None:
    (trace,) = build(
        "r0: op:aten::mm 0-10 | mark:Optimizer.step#SGD.step 20-520 | op:aten::add_ 500-510"
        " | op:MyFunction 600-1000 | op:aten::mul 950-960 | all_reduce 1000-1010",
        style="gloo",
    )
    told = spent(analyze_rank(trace)).items()
    assert sum(us for one, us in told if one.is_python and one.name == "Optimizer.step#SGD.step") == 490
    assert sum(us for one, us in told if not one.is_python and one.name == "MyFunction") == 390


def test_a_python_frame_and_the_function_it_called_are_told() -> None:
    (trace,) = build("r0: op:aten::mm 0-10 | op:aten::relu 510-520 | all_reduce 520-540", style="gloo")
    framed = _with_frames(trace, ((5, 515, "train.py(12): step"), (10, 505, "<built-in function sleep>")))
    [gap] = [one for one in spent(analyze_rank(framed)) if one.between == ("aten::mm", "aten::relu")]
    assert (gap.frame, gap.call) == ("train.py(12): step", "<built-in function sleep>")


def _with_frames(trace: RankTrace, frames: tuple[tuple[int, int, str], ...]) -> RankTrace:
    events = trace.events
    origin = int(events.start_ns.min())
    rows = [
        Row(
            int(events.start_ns[n]),
            int(events.end_ns[n]),
            EventKind(int(events.kind[n])),
            events.name(n),
            events.lanes[events.lane_id[n]],
            facts=events.facts(n),
        )
        for n in range(len(events))
    ]
    lane = next(row.lane for row in rows if row.name == "aten::mm")
    rows += [Row(origin + a * US, origin + b * US, EventKind.PYTHON, name, lane) for a, b, name in frames]
    return replace(trace, events=trace_of(rows).events)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), style=st.sampled_from(["cuda", "gloo"]), overlapped=st.booleans())
def test_activities_and_communication_fill_every_cell(seed: int, style: str, overlapped: bool) -> None:
    """Each moment is one activity's, or the rank only communicates."""
    programs = random_programs(Recipe(ranks=2, seed=seed, overlapped=overlapped))
    for trace in simulate(World(style=style), programs).traces():
        one = analyze_rank(trace)
        assert one.activities is not None
        sums, borders = one.activities.device, one.activities.borders_ns
        cells = np.diff(borders)
        kept = np.add.reduceat(np.r_[sums.time_ns, 0], sums.first[:-1]) * (np.diff(sums.first) > 0)
        filled = kept + sums.rest_ns
        assert (filled <= cells).all()
        if style == "cuda":
            exposed = iv.measure_within(one.exposed, borders[:-1], borders[1:])
            assert (filled + exposed == cells).all()
