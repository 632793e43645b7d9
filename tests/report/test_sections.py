"""What analyze and compare say, on analyses whose numbers follow from their recipe."""

from __future__ import annotations

import dataclasses
import json

from commscope.compare import compare
from commscope.layouts import layout_words
from commscope.report.analysis_sections import analysis_sections
from commscope.report.comparison_sections import comparison_sections
from commscope.report.contract import analysis_document, comparison_document, dumps
from commscope.report.render import text
from commscope.schema import CAPTURE, Phase
from commscope.trace import Layout
from tests.analyses import make_analysis

ANALYSIS_KEYS = {"schema", "run", "gaps", "windows", "breakdown", "collectives", "matching", "clock"}
ANALYSIS_KEYS |= {"stalls", "critical_path"}


def test_the_late_rank_is_named_as_the_one_waited_for() -> None:
    said = text(analysis_sections(make_analysis(late_ns={1: 5_000})))
    assert "Rank 1 was waited for most: 100 % of all waiting." in said
    assert "65.0 us" in said  # 13 collectives a step, 5 us late to each


def test_absent_phases_are_called_not_present_and_not_zero() -> None:
    analysis = make_analysis()
    rows = tuple(
        dataclasses.replace(row, compute_by_phase_ns={Phase.FORWARD: row.compute_ns})
        for row in analysis.breakdown
    )
    forward = analysis.instances[analysis.instances["phase"] == "forward"]
    said = text(analysis_sections(dataclasses.replace(analysis, breakdown=rows, instances=forward)))
    assert "Not present: backward, recompute, optimizer." in said


def test_what_was_not_captured_is_said_in_words() -> None:
    analysis = make_analysis()
    rows = tuple(
        dataclasses.replace(
            row, exposed_wait_ns=None, exposed_transfer_ns=None, exposed_unknown_ns=row.exposed_ns
        )
        for row in analysis.breakdown
    )
    said = text(analysis_sections(dataclasses.replace(analysis, breakdown=rows)))
    assert "waiting not told from transfer" in said
    assert "exposed wait" not in said


def test_layouts_read_as_engineers_write_them() -> None:
    assert layout_words(Layout(tp=4, sp=True, dp=2, recompute="full")) == "TP=4 + SP, DP=2, full recompute"
    assert layout_words(None) == ""


def test_the_volume_table_pairs_counts_and_bytes_and_names_the_closed_form() -> None:
    comparison = compare(make_analysis(), make_analysis(name="sp2", layout=Layout(tp=2, sp=True)))
    section = next(part for part in comparison_sections(comparison) if part.title.startswith("What moved"))
    assert section.table is not None
    row = next(row for row in section.table.rows if row[:2] == ("backward", "all_gather"))
    assert row[2:4] == ("-", "10")
    assert row[-1] == "equal"


def test_the_verdict_comes_first_and_word_for_word() -> None:
    comparison = compare(make_analysis(), make_analysis(name="sp2", layout=Layout(tp=2, sp=True)))
    lines = text(comparison_sections(comparison)).splitlines()
    assert lines[0] == comparison.headline
    assert lines[1 : 1 + len(comparison.findings)] == [f"- {finding}" for finding in comparison.findings]
    assert comparison_document(comparison)["verdict"] == comparison.verdict


def test_the_analysis_document_has_the_contract_s_keys_and_sums_over_a_window() -> None:
    analysis = make_analysis()
    document = json.loads(dumps(analysis_document(analysis)))
    assert set(document) >= ANALYSIS_KEYS
    captured = [row for row in document["collectives"] if row["window"] == CAPTURE]
    assert sum(row["count"] for row in captured) == len(analysis.instances)
    for row in captured:
        assert row["wait_ns"] + row["transfer_ns"] == row["duration_ns"]
        assert row["total_payload_bytes"] == row["payload_bytes"] * row["count"]
    for row in document["breakdown"]:
        parts = row["compute_ns"] + row["exposed_ns"] + row["copy_ns"] + row["idle_ns"]
        assert parts == row["span_ns"]


def test_a_size_that_one_instance_lacks_makes_the_sum_absent() -> None:
    analysis = make_analysis()
    table = analysis.instances.copy()
    table.loc[table.index[0], ["payload_bytes", "wire_bytes"]] = None
    document = analysis_document(dataclasses.replace(analysis, instances=table))
    absent = [row for row in document["collectives"] if row["payload_bytes"] is None]
    assert absent
    assert all(row["total_payload_bytes"] is None and row["total_wire_bytes"] is None for row in absent)
