"""What CI systems read of a verdict: JUnit, annotations, summary, JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from commscope.check.result import Row, RunVerdict, Verdict
from commscope.report.contract import dumps, verdict_document
from commscope.report.github import MOST_SUMMARY_BYTES, github, step_summary
from commscope.report.junit import junit
from commscope.report.render import text
from commscope.report.verdict_sections import headline, verdict_sections

EXTRA = Row(
    "collective.count/all_gather/backward", "error", "changed", 5, 10, "0", "layer 0 gathers twice, 100 %",
    unit="count", kind="exact", change=1.0, command="commscope compare a b",
)  # fmt: skip
SLOW = Row("step.time", "warn", "regressed", 1e6, 1.2e6, "5 %", unit="ns", kind="timed", change=0.2)
FINE = Row("memory.peak", "error", "ok", 1024, 1024, "0", unit="bytes", kind="exact", change=0.0)
OFF = Row("stall.blocking", "off", "regressed", 1e3, 9e3, "", unit="ns", kind="timed", change=8.0)
MISSING = Row("communication.wire_bytes", "error", "missing", 4096, None, "0", unit="bytes", kind="exact")
FAILING = Verdict((RunVerdict("tp2", "traces/tp2", (EXTRA, MISSING, SLOW, FINE, OFF)),))
PASSING = Verdict((RunVerdict("tp2", "traces/tp2", (FINE,)),))
UNANSWERED = Verdict((RunVerdict("tp4", None, (), notes=("there is no baseline of that name",)),))

# The schema of Jenkins' xUnit plugin (junit-10.xsd), as far as a report of ours may use it: of each element
# the attributes it must have, those it may have, and the elements in it.
SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "disabled", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name"},
        {"tests", "failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id"},
        {"testcase"},
    ),
    "testcase": (
        {"name", "classname"},
        {"assertions", "time", "status"},
        {"failure", "error", "skipped", "system-out"},
    ),
    "failure": (set(), {"message", "type"}, set()),
    "error": (set(), {"message", "type"}, set()),
    "skipped": (set(), {"message", "type"}, set()),
    "system-out": (set(), set(), set()),
}
COUNTED = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}


def keeps_the_schema(element: ET.Element) -> None:
    """Element by element: attributes, children, numbers, and at most one outcome a case."""
    must, may, inside = SCHEMA[element.tag]
    assert must <= set(element.attrib) <= must | may
    assert {child.tag for child in element} <= inside
    assert element.tag != "testcase" or len(element) <= 1
    assert float(element.get("time", "0")) >= 0
    if element.tag in {"testsuites", "testsuite"}:
        assert not (element.text or "").strip()
        for name, tag in COUNTED.items():
            if name in element.attrib:
                assert int(element.attrib[name]) == sum(1 for _ in element.iter(tag))
    for child in element:
        keeps_the_schema(child)


def test_junit_has_one_case_a_metric_and_counts_its_failures() -> None:
    root = ET.fromstring(junit(FAILING))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "2", "0")
    failures = [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None]
    assert failures == ["collective.count/all_gather/backward", "communication.wire_bytes"]
    assert [case.get("name") for case in root.iter("testcase") if case.find("skipped") is not None] == [
        "stall.blocking"
    ]


@pytest.mark.parametrize("verdict", [FAILING, PASSING, UNANSWERED, Verdict(())])
def test_junit_keeps_the_schema(verdict: Verdict) -> None:
    root = ET.fromstring(junit(verdict))
    assert root.tag == "testsuites"
    keeps_the_schema(root)


def test_a_run_that_could_not_be_checked_is_an_error_and_never_green() -> None:
    root = ET.fromstring(junit(UNANSWERED))
    assert (root.get("tests"), root.get("errors")) == ("1", "1")
    assert UNANSWERED.exit_code == 2
    assert "::error" in github(UNANSWERED)
    assert headline(UNANSWERED) == "error: 1 of 1 run could not be checked."
    assert headline(Verdict(())) == "error: nothing was checked."


def test_junit_survives_what_xml_does_not_know() -> None:
    row = Row(
        "step.time", "error", "regressed", 1, 2, "5 %", "bell \x07 \udcff\uffff & <angle> é😀", unit="ns"
    )
    root = ET.fromstring(junit(Verdict((RunVerdict("a\udc80", "b", (row,)),))).encode())
    assert r"bell \x07 \udcff\uffff & <angle> é😀" in (root.findtext(".//failure") or "")
    keeps_the_schema(root)


def test_annotations_are_escaped_and_worst_first() -> None:
    lines = github(FAILING).splitlines()
    assert lines[0] == (
        "::error title=tp2%3A collective.count/all_gather/backward::"
        "changed: 5 → 10 (allowed: 0). layer 0 gathers twice, 100 %25"
    )
    assert [line.split(" ")[0] for line in lines[:-1]] == ["::error", "::error", "::warning"]
    assert lines[-1] == "fail: 2 budgets broken in 1 of 1 run."


def test_at_most_ten_annotations_of_a_kind() -> None:
    rows = tuple(Row(f"m{n}", "error", "regressed", 1, 2, "0", unit="count") for n in range(30))
    warned = tuple(Row(f"w{n}", "warn", "regressed", 1, 2, "0", unit="count") for n in range(30))
    lines = github(Verdict((RunVerdict("a", "b", rows + warned),))).splitlines()
    assert sum(line.startswith("::error") for line in lines) == 10
    assert sum(line.startswith("::warning") for line in lines) == 10
    assert "21 more broken budgets" in lines[9]


def test_the_summary_keeps_to_github_s_limit() -> None:
    rows = tuple(
        Row(f"m{n}", "error", "regressed", 1, 2, "0", f"{n} {'é' * 2000}", unit="count") for n in range(20)
    )
    runs = tuple(RunVerdict(f"run{n}", "b", rows) for n in range(150))
    summary = step_summary(Verdict(runs))
    assert len(summary.encode()) <= MOST_SUMMARY_BYTES
    assert summary.endswith("1 MiB\n")


def test_text_names_what_broke_and_the_command_that_shows_more() -> None:
    said = text(verdict_sections(FAILING))
    assert "tp2 fails against traces/tp2" in said
    assert "layer 0 gathers twice" in said
    assert "more: commscope compare a b" in said
    assert "stall.blocking" not in said


def test_one_reason_behind_several_rows_is_said_once_and_before_what_held() -> None:
    twin = replace(EXTRA, metric="communication.wire_bytes/all_gather/backward")
    lines = text(verdict_sections(Verdict((RunVerdict("tp2", "b", (EXTRA, twin, FINE)),)))).splitlines()
    at = lines.index("collective.count/all_gather/backward and 1 more: layer 0 gathers twice, 100 %")
    assert lines[at + 1] == "1 budget held."
    assert sum("gathers twice" in line for line in lines) == 1


def test_a_row_without_numbers_shows_none() -> None:
    row = Row("ranks", "error", "missing", None, None, "a whole recording", why="it broke off")
    verdict = Verdict((RunVerdict("tp2", "b", (row,)),))
    assert "not captured" not in text(verdict_sections(verdict))
    assert "missing: allowed: a whole recording. it broke off" in github(verdict)


def test_the_document_has_the_contract_s_keys() -> None:
    document = json.loads(dumps(verdict_document(FAILING)))
    assert document["schema"] == "commscope.verdict/1"
    assert (document["status"], document["exit_code"]) == ("fail", 1)
    row = document["runs"][0]["rows"][0]
    assert {"metric", "level", "status", "baseline", "candidate", "budget", "why"} <= set(row)
