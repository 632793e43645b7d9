from __future__ import annotations

import dataclasses

import pytest

from commscope.analysis.result import Analysis
from commscope.compare import compare
from commscope.figures.breakdown import breakdown_bars, critical_path_strip
from commscope.figures.catalog import CHARTS, Chart
from commscope.figures.drawing.subject import MEDIAN, shown
from commscope.figures.drawing.theme import MARK_BUDGET, template
from commscope.figures.volume import busbw, memory, wire_bytes
from commscope.figures.waiting import lateness_map, stall_matrix, wait_transfer, waits
from commscope.trace import RankMemory
from tests.analyses import Call, make_analysis
from tests.figures import samples

charts = pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.key)


def marks(figure) -> int:
    """SVG shapes plotly draws: a bar, marker or box each; a line or an image is one."""
    total = 0
    for trace in figure.data:
        if trace.type == "bar" or (trace.type == "scatter" and "markers" in trace.mode):
            total += len(trace.x)
        elif trace.type == "box":
            total += len(trace.median)
        else:
            total += 1 + (len(trace.z) * len(trace.z[0]) if trace.type == "heatmap" and trace.text else 0)
    return total


SUBJECTS = {
    "comparison": samples.comparison,
    "run": make_analysis,
    "unmatched": lambda: samples.without_matches(make_analysis()),
    "no layout": lambda: samples.without_layout(make_analysis()),
    "no phases": lambda: samples.without_phases(make_analysis()),
    "silent": lambda: samples.empty(make_analysis()),
    "no steps": lambda: make_analysis(marked_steps=False),
    "one rank": lambda: make_analysis(ranks=1),
}


@pytest.mark.parametrize("make", SUBJECTS.values(), ids=SUBJECTS)
def test_every_figure_of_every_subject_has_a_title_a_caption_and_a_twin(make) -> None:
    subject = make()
    for chart in CHARTS:
        figure = chart.draw(subject, MEDIAN)
        assert figure.layout.title.text
        assert chart.caption(subject, MEDIAN).endswith(".")
        assert all(isinstance(row, dict) for row in chart.table(subject, MEDIAN))


@pytest.fixture(scope="module")
def crowded() -> Analysis:
    calls = (Call("all_reduce", 4096, count=40), Call("all_gather", 8192, phase="backward", count=40))
    return make_analysis(ranks=64, steps=1, calls=calls, late_ns={rank: 10 * rank for rank in range(64)})


@charts
def test_64_ranks_with_many_collectives_stay_within_the_mark_budget(chart: Chart, crowded: Analysis) -> None:
    assert marks(chart.draw(crowded, MEDIAN)) <= MARK_BUDGET


@pytest.mark.parametrize("subject", [samples.comparison(), make_analysis(overlapped=0.5)])
def test_the_drawn_parts_of_a_rank_sum_to_its_step(subject) -> None:
    figure = breakdown_bars.draw(subject)
    for run in shown(subject):
        for row in run.breakdown:
            parts = breakdown_bars.partition(row)
            assert sum(parts.values()) == row.span_ns
            assert all(time_ns >= 0 for time_ns in parts.values())
    drawn = sum(sum(trace.x) for trace in figure.data)
    assert drawn * 1e6 == pytest.approx(sum(row.span_ns for run in shown(subject) for row in run.breakdown))


def test_the_tick_stands_where_the_bar_of_a_run_made_from_the_closed_form_ends() -> None:
    figure = wire_bytes.draw(make_analysis(name="sp", layout=samples.pair()[1].run.layout))
    tick = next(trace for trace in figure.data if trace.name == "closed form")
    bars = [trace for trace in figure.data if trace.type == "bar"]
    heights = [sum(trace.y[place] for trace in bars) for place in range(len(tick.x))]
    assert heights == pytest.approx(list(tick.y))


def test_megatrons_second_gather_is_five_of_the_ten_gathers_in_backward() -> None:
    """2 layers gather the inputs of 4 column-parallel linears and of the head again: 5 x 32 KiB wire."""
    rows = wire_bytes.table(samples.without_layout(samples.pair()[1]))
    counts = {(row["phase"], row["collective"]): (row["count"], row["wire_bytes"]) for row in rows}
    assert counts["backward", "all_gather, repeated"] == (5, 5 * 32 * 1024)
    assert counts["backward", "all_gather"] == (5, 5 * 32 * 1024)


def test_a_plan_that_keeps_what_it_gathered_repeats_nothing() -> None:
    rows = [Call("all_gather", 4096, "forward", count=5), Call("reduce_scatter", 4096, "forward", count=5)]
    rows += [Call("all_gather", 4096, "backward", count=5), Call("reduce_scatter", 4096, "backward", count=5)]
    found = wire_bytes.table(make_analysis(calls=tuple(rows)))
    assert not [row for row in found if "repeated" in row["collective"]]


def test_parameters_gathered_for_forward_and_for_backward_repeat_nothing() -> None:
    """Fully sharded data parallelism, where no role is known: its forward scatters nothing."""
    rows = [Call("all_gather", 4096, phase, role=None, count=3) for phase in ("forward", "backward")]
    rows += [Call("reduce_scatter", 4096, "backward", role=None, count=3)]
    found = wire_bytes.table(make_analysis(calls=tuple(rows)))
    assert not [row for row in found if "repeated" in row["collective"]]


def test_payload_and_wire_bytes_tell_different_stories_about_the_same_run() -> None:
    """One all_reduce of S is 2(n-1)/n S on the wire: 1 S for 2 ranks; a gather of S is S/2."""
    run = make_analysis(calls=(Call("all_reduce", 4096), Call("all_gather", 4096)))
    rows = {row["collective"]: row for row in wire_bytes.table(run)}
    assert (rows["all_reduce"]["payload_bytes"], rows["all_reduce"]["wire_bytes"]) == (4096, 4096)
    assert (rows["all_gather"]["payload_bytes"], rows["all_gather"]["wire_bytes"]) == (4096, 2048)


def test_unknown_sizes_are_absent_not_zero() -> None:
    run = make_analysis()
    blind = samples.without_layout(run)
    table = blind.instances.copy()
    table["wire_bytes"] = None
    table["wire_bytes"] = table["wire_bytes"].astype("Int64")
    blind = dataclasses.replace(blind, instances=table)
    assert all(row["wire_bytes"] is None for row in wire_bytes.table(blind))
    assert wire_bytes.caption(blind) == "tp2: wire bytes of 13 of 13 collectives are not captured."
    assert not wire_bytes.draw(blind).data
    assert wire_bytes.draw(blind).layout.annotations[0].text == "wire bytes are not captured"
    assert wire_bytes.draw(blind, measure=wire_bytes.PAYLOAD).data


def test_the_stall_matrix_names_the_culprit_and_its_rows_are_the_victims_waits() -> None:
    run = make_analysis(ranks=3, steps=1, calls=(Call("all_reduce", 4096, count=4),), late_ns={2: 7_000})
    waits_ns = stall_matrix.matrix(shown(run)[0])
    assert waits_ns.tolist() == [[0, 0, 28_000], [0, 0, 28_000], [0, 0, 0]]
    assert stall_matrix.caption(run).endswith(
        "rank 2 is waited for 56.0 us, 100 % of all waiting; late by compute 100 %."
    )


def test_the_lateness_map_is_rank_by_instance() -> None:
    run = make_analysis(ranks=2, steps=1, calls=(Call("all_reduce", 4096, count=3),), late_ns={1: 5_000})
    names, grid = lateness_map.lateness(shown(run)[0])
    assert names == ["0", "1", "2"]
    assert grid.tolist() == [[0, 0, 0], [5_000, 5_000, 5_000]]


def test_bandwidth_is_wire_bytes_over_the_transfer_after_the_last_arrival() -> None:
    """1,000,000 B at 10 GB/s after no latency last 100,000 ns; an all_reduce of 2 ranks sends 1,000,000 B."""
    run = make_analysis(calls=(Call("all_reduce", 1_000_000),), latency_ns=0, gb_per_s=10.0, late_ns={1: 900})
    assert [row["busbw_gbps"] for row in busbw.table(run)] == [pytest.approx(10.0)]


def test_wait_and_transfer_of_a_rank_sum_to_its_time_in_collectives() -> None:
    run = make_analysis(late_ns={1: 5_000})
    for row in waits.table(run):
        own = run.instances[(run.instances["window"] == "step 1") & (run.instances["rank"] == row["rank"])]
        assert row["wait_ns"] + row["transfer_ns"] == int((own["end_ns"] - own["start_ns"]).sum())


def test_medians_of_the_spread_are_those_of_the_instances() -> None:
    run = make_analysis(calls=(Call("all_reduce", 4096, count=3),), late_ns={1: 5_000})
    rows = {row["part"]: row for row in wait_transfer.table(run)}
    assert rows["wait"]["median_ns"] == 2_500  # half of the arrivals wait 5 us, half none
    assert rows["wait"]["count"] == 6


def test_the_strip_draws_the_path_without_a_gap_and_as_long_as_the_step() -> None:
    run = make_analysis(late_ns={1: 5_000})
    figure = critical_path_strip.draw(run)
    path = [trace for trace in figure.data if trace.type == "bar" and not trace.name.startswith("off path")]
    drawn = sum(sum(trace.x) for trace in path) * figure.layout.meta["ns_per_unit"]
    assert drawn == pytest.approx(shown(run)[0].span.span_ns)


def test_zooming_into_the_strip_shows_only_that_part() -> None:
    figure = critical_path_strip.draw(make_analysis(), MEDIAN, (200_000, 300_000))
    divisor = figure.layout.meta["ns_per_unit"]
    for trace in figure.data:
        if trace.type == "bar":
            assert min(trace.base) * divisor >= 200_000 - 1e-3
            assert max(b + x for b, x in zip(trace.base, trace.x, strict=True)) * divisor <= 300_000 + 1e-3


def test_memory_shows_the_rank_with_the_most() -> None:
    assert "peaks at 47.7 MiB" in memory.caption(make_analysis(peak_bytes=50_000_000))
    assert memory.caption(make_analysis(peak_bytes=None)) == "tp2: memory is not captured."


def test_memory_shows_one_measure_the_one_of_the_metric() -> None:
    run = make_analysis(peak_bytes=50_000_000)
    resident = [RankMemory(rank, "rss", 900_000_000, {"forward": 900_000_000}) for rank in run.ranks]
    both = dataclasses.replace(run, memory=(*resident, *run.memory))
    assert memory.draw(both).data[0].text == memory.draw(run).data[0].text == ("47.7 MiB",)
    assert memory.caption(both) == memory.caption(run)
    assert {row["kind"] for row in memory.table(both)} == {"rss", "tensors"}


def test_the_step_asked_for_is_shown_and_an_unknown_one_falls_to_the_median() -> None:
    run = make_analysis(pace=(1.0, 1.3, 1.1))
    assert shown(run, "step 1")[0].window == "step 1"
    assert shown(run, "step 77")[0].window == "step 2"
    assert shown(run)[0].window == "step 2"


def test_runs_of_one_name_stay_distinct() -> None:
    first, second = shown(compare(make_analysis(), make_analysis()))
    assert first.label != second.label


def test_a_figure_is_drawn_light_and_the_dark_scheme_differs_in_its_ink() -> None:
    figure = breakdown_bars.draw(make_analysis())
    assert figure.layout.template == template("light")
    assert template("dark").layout.font.color != template("light").layout.font.color
