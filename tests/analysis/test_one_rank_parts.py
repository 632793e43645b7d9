"""Steps, layers, microbatches, roles, memory and gaps of one rank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commscope.analysis.events.layers import layers_of, microbatches_of
from commscope.analysis.events.nesting import Spans, enclosing, launch_rows
from commscope.analysis.events.steps import step_windows
from commscope.analysis.group_roles import group_role, role_of
from commscope.analysis.rank import analyze_rank, attribute
from commscope.schema import EventKind
from commscope.trace import Events, Gap, Lane, MemorySample, RankTrace
from tests.build import Row, build, trace_of

US = 1_000
EPOCH = 1_700_000_000_000_000_000
NODE = "autograd::engine::evaluate_function:"


def one(text: str, **options: object) -> RankTrace:
    return build(f"r0: {text}", **options)[0]


def by_name(events: Events, values: np.ndarray) -> dict[str, int]:
    return {events.name(i): int(values[i]) for i in range(len(events))}


# steps


def test_steps_are_windows_in_order_of_time():
    windows = step_windows(one("step 0-10 number=7 | step 10-25 number=8 | compute 1-2").events)
    spans = [(window.name, window.step, window.span_ns // US) for window in windows]
    assert spans == [("step 7", 7, 10), ("step 8", 8, 15)]


def test_steps_may_be_marked_by_the_program():
    windows = step_windows(
        one("mark:train step 3 0-10 | mark:iteration_4 10-20 | mark:stepping stone 5 0-3").events
    )
    assert [window.name for window in windows] == ["step 3", "step 4"]


def test_projections_of_steps_on_the_device_count_only_where_the_host_was_not_recorded():
    device, host = Lane("0", "stream 7", device=0, stream=7), Lane("1", "main")
    projected = Row(5, 30, EventKind.DEVICE_ANNOTATION, "ProfilerStep#3", device)
    marked = Row(0, 10, EventKind.ANNOTATION, "ProfilerStep#3", host)
    assert [window.span_ns for window in step_windows(trace_of([projected]).events)] == [25]
    assert [window.span_ns for window in step_windows(trace_of([projected, marked]).events)] == [10]


def test_a_kernel_belongs_to_the_step_that_launched_it():
    trace = one("step 0-20 | all_reduce 15-30 launch=5 | step 20-40 | all_gather 32-38 launch=25")
    assert analyze_rank(trace).instances["window"].tolist() == ["step 0", "step 1"]


def test_a_collective_outside_every_step_belongs_to_the_capture():
    trace = one("all_reduce 0-5 | step 20-40 | all_gather 32-38", style="gloo")
    assert analyze_rank(trace).instances["window"].tolist() == ["capture", "step 0"]


# layers and microbatches


def test_layers_reach_kernels_launched_on_other_threads():
    trace = one("layer:2 0-10 | compute 20-30 launch=5 thread=t2 | layer:1 10-20 | compute 30-40 launch=12")
    layers = layers_of(trace.events, launch_rows(trace.events))
    kernels = trace.events.is_kind(EventKind.KERNEL)
    assert layers[kernels].tolist() == [2, 1]


def test_backward_nodes_take_the_layer_of_their_forward_operator():
    trace = one(
        "mark:layers.3 0-10 | op:aten::linear 2-5 seqnr=40 fwd=0"
        f" | op:{NODE} MmBackward0 20-30 seqnr=40 fwd=1 | op:aten::mm 22-25",
        style="gloo",
    )
    layers = by_name(trace.events, layers_of(trace.events, launch_rows(trace.events)))
    assert (layers["aten::linear"], layers["aten::mm"]) == (3, 3)


def test_modules_of_the_class_that_took_most_time_are_layers():
    lane = Lane("1", "main")
    rows = [Row(0, 100, EventKind.PYTHON, "nn.Module: GPT_0", lane)]
    for i in range(2):
        rows.append(Row(10 + 40 * i, 45 + 40 * i, EventKind.PYTHON, f"nn.Module: TransformerBlock_{i}", lane))
        rows.append(Row(11 + 40 * i, 13 + 40 * i, EventKind.PYTHON, f"nn.Module: DropoutLayer_{i + 5}", lane))
        rows.append(Row(12 + 40 * i, 20 + 40 * i, EventKind.OP, f"aten::op{i}", lane))
    events = trace_of(rows).events
    layers = by_name(events, layers_of(events, launch_rows(events)))
    assert (layers["aten::op0"], layers["aten::op1"], layers["nn.Module: GPT_0"]) == (0, 1, -1)


def test_microbatches_come_from_our_ranges():
    trace = one(
        "microbatch:0 0-10 | op:aten::a 1-2 | microbatch:1 10-20 | op:aten::b 11-12 | op:aten::c 30-31"
    )
    found = by_name(trace.events, microbatches_of(trace.events, launch_rows(trace.events)))
    assert [found[f"aten::{name}"] for name in "abc"] == [0, 1, -1]


# roles


@pytest.mark.parametrize(
    ("description", "role"),
    [
        ("TENSOR_MODEL_PARALLEL_GROUP", "tp"),
        ("mesh_tp", "tp"),
        ("DATA_PARALLEL_GROUP_WITH_CP", "dp"),
        ("mesh_fsdp", "dp"),
        ("mesh_dp_replicate", "dp"),
        ("PIPELINE_MODEL_PARALLEL_GROUP", "pp"),
        ("CONTEXT_PARALLEL_GROUP", "cp"),
        ("EXPERT_MODEL_PARALLEL_GROUP", "ep"),
        ("EXPERT_DATA_PARALLEL_GROUP", "dp"),
        ("EMBEDDING_GROUP", "embedding"),
        ("POSITION_EMBEDDING_GROUP", None),
        ("TENSOR_AND_DATA_PARALLEL_GROUP", None),
        ("default_pg", None),
        ("undefined", None),
        (None, None),
    ],
)
def test_a_groups_description_says_the_role(description, role):
    assert group_role(description) == role


def test_the_program_knows_better_than_the_group():
    assert role_of("loss", "mesh_tp", "all_reduce", "forward") == "loss"


def test_what_a_tensor_parallel_group_gathers_and_scatters_is_sequence_parallelism():
    assert role_of(None, "mesh_tp", "reduce_scatter", "backward") == "sp"
    assert role_of(None, "mesh_tp", "all_reduce", "backward") == "tp"


def roles_in(text: str) -> list[str | None]:
    table = analyze_rank(one(text, style="gloo", facts=False)).instances
    return [role if isinstance(role, str) else None for role in table["role"]]


def test_the_last_small_reductions_of_a_forward_are_the_loss_and_a_scalar_before_the_optimizer_the_norm():
    found = roles_in(
        "step 0-100 | op:aten::a 0-1 | all_reduce 1-2 bytes=4096 | all_reduce 3-4 bytes=64 | all_reduce 5-6 bytes=64"
        f" | all_reduce 7-8 bytes=64 | op:{NODE} X 10-20 | all_reduce 12-13 bytes=64 | all_reduce 25-26 bytes=4"
        " | mark:Optimizer.step#SGD.step 30-40"
    )
    assert found == [None, "loss", "loss", "loss", None, "grad_norm"]


def test_reductions_of_activations_are_no_loss():
    assert roles_in(f"op:aten::a 0-1 | all_reduce 1-2 | all_reduce 3-4 | op:{NODE} X 10-20") == [None, None]


# memory


def test_peak_memory_is_the_highest_total_and_its_phase():
    trace = one("phase:forward 0-10 | op:aten::a 1-2 | phase:backward 10-20 | op:aten::b 11-12", style="gloo")
    samples = [(1, 0, 100), (5, 0, 300), (11, 0, 700), (15, 0, 200), (15, -1, 9999)]
    memory = tuple(MemorySample(EPOCH + t * US, device, total) for t, device, total in samples)
    found = analyze_rank(replace(trace, memory=memory)).memory
    assert (found.kind, found.peak_bytes) == ("cuda_allocator", 700)
    assert found.by_phase_bytes == {"forward": 300, "backward": 700}


def test_no_samples_is_no_memory():
    assert analyze_rank(one("compute 0-5")).memory is None


# gaps and coverage


def gap_codes(trace: RankTrace) -> set[str]:
    return {gap.code for gap in analyze_rank(trace).gaps}


def test_what_was_captured_whole_has_no_gap():
    whole = f"step 0-100 | op:aten::linear 0-5 | op:{NODE} X 20-30 | compute 40-60 launch=25 | all_reduce 60-70 launch=28"
    assert gap_codes(one(whole)) == set()


def test_each_lack_is_named():
    assert "launches_missing" in gap_codes(one("compute 0-5", launches=False))
    assert "no_steps" in gap_codes(one("compute 0-5"))
    assert "no_collective_metadata" in gap_codes(one("all_reduce 0-5", facts=False))
    assert "no_phases" in gap_codes(one("compute 0-5", launches=False))


def test_coverage_counts_launches_and_metadata_in_count_and_time():
    (told,) = build("r0: all_reduce 0-30 | compute 30-40")
    (untold,) = build("r0: all_reduce 40-50", facts=False, launches=False)
    rows = analyze_rank(told).coverage, analyze_rank(untold).coverage
    assert [row["collectives_metadata_share"] for row in rows] == [1.0, 0.0]
    assert [row["kernels_launched_share"] for row in rows] == [1.0, 0.0]
    assert analyze_rank(one("compute 0-1")).coverage["collectives_metadata_share"] is None


def test_the_trace_s_own_gaps_are_kept():
    trace = one("compute 0-5")
    assert "truncated" in gap_codes(replace(trace, gaps=(Gap("truncated", "cut off"),)))


# attribution and nesting


def test_attribution_is_aligned_with_events_and_instances():
    trace = one("step 0-50 | compute 0-10 | all_reduce 10-30 | copy 30-31")
    attribution, table = attribute(trace)
    names = [trace.events.name(row) for row in range(len(trace.events))]
    busy = {name: int(code) for name, code in zip(names, attribution.busy, strict=True) if code}
    assert sorted(busy.values()) == [1, 2, 3]
    assert [trace.events.name(row) for row in attribution.instance_rows] == table["name"].tolist()
    assert trace.events.start_ns[attribution.issue_rows].tolist() == table["issue_ns"].tolist()


def test_the_innermost_range_of_the_same_lane_encloses():
    def spans(*items: tuple[int, int, int]) -> Spans:
        columns = np.array(items, np.int64).reshape(-1, 3).T
        return Spans(*columns)

    ranges = spans((0, 100, 0), (10, 50, 0), (20, 30, 0), (0, 1000, 1), (60, 70, 0))
    ns = 10_000  # far more than the slack for rounded stamps
    scaled = Spans(ranges.start_ns * ns, ranges.end_ns * ns, ranges.lane)
    queries = spans((25, 26, 0), (12, 13, 0), (40, 55, 0), (99, 100, 0), (5, 6, 1), (5, 6, 2), (200, 201, 0))
    found = enclosing(scaled, Spans(queries.start_ns * ns, queries.end_ns * ns, queries.lane))
    assert found.tolist() == [2, 1, 0, 0, 3, -1, -1]


def test_stamps_far_apart_on_many_lanes_do_not_run_together():
    ranges = Spans(
        *(np.array(column, np.int64) for column in ([0, 2**61, 5], [2**61 + 9, 2**61 + 5, 9], [0, 7, 8]))
    )
    queries = Spans(
        *(np.array(column, np.int64) for column in ([7, 2**61 + 1, 7], [8, 2**61 + 2, 8], [0, 7, 9]))
    )
    assert enclosing(ranges, queries).tolist() == [0, 1, -1]


def test_waits_without_any_recorded_collective_are_analyzed():
    row = analyze_rank(one("compute 0-5 | op:_c10d_functional::wait_tensor 5-9", style="gloo")).breakdown[0]
    assert (row.compute_ns, row.idle_ns) == (5 * US, 4 * US)


@pytest.mark.parametrize("style", ["cuda", "gloo"])
def test_events_that_end_before_they_begin_do_no_harm(style):
    trace = one("step 0-50 | compute 0-10 | all_reduce 10-30 | compute 30-40", style=style)
    events = trace.events
    broken = replace(
        events, end_ns=np.where(np.arange(len(events)) % 3 == 1, events.start_ns - 5, events.end_ns)
    )
    for row in analyze_rank(replace(trace, events=broken)).breakdown:
        parts = row.compute_ns + row.exposed_ns + row.copy_ns + row.idle_ns + (row.host_bound_ns or 0)
        assert parts == row.span_ns
