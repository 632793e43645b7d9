"""JUnit XML of a Verdict: one suite a run, one case a metric; what CI systems show as tests.

The shape is the one Jenkins' junit plugin and GitLab read: testsuites > testsuite > testcase >
failure | error | skipped | system-out.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from commscope.check.result import Row, RunVerdict, Verdict
from commscope.printable import printable, printable_lines
from commscope.report.verdict_sections import row_words


def junit(verdict: Verdict) -> str:
    """The verdict as one XML document."""
    root = ET.Element("testsuites", name="commscope check")
    for run in verdict.runs:
        root.append(_suite(run))
    for counted in ("tests", "failures", "errors"):
        root.set(counted, str(sum(int(suite.get(counted, "0")) for suite in root)))
    root.set("time", "0")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(run: RunVerdict) -> ET.Element:
    cases = [_case(run, row) for row in run.rows]
    if run.status == "error":
        cases.append(_unanswered(run))
    suite = ET.Element(
        "testsuite",
        name=printable(run.run),
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
        time="0",
    )
    suite.extend(cases)
    return suite


def _case(run: RunVerdict, row: Row) -> ET.Element:
    case = ET.Element("testcase", classname=printable(run.run), name=printable(row.metric), time="0")
    if row.fails:
        message = f"{row.status}: {row_words(row)}"
        failure = ET.SubElement(case, "failure", message=printable(message), type=row.status)
        failure.text = printable_lines("\n".join(line for line in (row.why, row.command) if line))
    elif row.level == "off" or row.status == "not-comparable":
        ET.SubElement(case, "skipped", message=printable(row.why or row.status))
    elif row.warns:
        ET.SubElement(case, "system-out").text = printable_lines(
            f"warning: {row.status}: {row_words(row)}\n{row.why}"
        )
    return case


def _unanswered(run: RunVerdict) -> ET.Element:
    case = ET.Element("testcase", classname=printable(run.run), name="could be checked", time="0")
    why = "; ".join(run.notes) or "no budget applied to this run"
    ET.SubElement(case, "error", message=printable(why), type="error")
    return case
