"""Doctor: what is missing in each run, and what that costs the answer."""

from __future__ import annotations

from dash import html

from commscope.readers.doctor import Finding
from commscope_dashboard.components import Component, notice, part, table
from commscope_dashboard.runs.library import Library, LoadedRun
from commscope_dashboard.view import View

_LEVELS = ("serious", "warn", "info", "fine")
PATH, NAME, TITLE = "/doctor", "Doctor", "What is missing, and what it costs"


def layout(_library: Library, _view: View) -> list[Component]:
    """A card a run: gaps with their cost and what to do."""
    return [part("failures"), part("doctor")]


def report(library: Library, _: View) -> Component:
    """Every run with its gaps, serious ones first."""
    if not library.readable:
        return notice("No run could be read.", kind="warn")
    return [_card(run) for run in library.readable]


def _card(run: LoadedRun) -> Component:
    findings = _findings(run)
    counts = {level: sum(finding.level == level for finding in findings) for level in _LEVELS}
    words = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    return html.Section(
        className="card",
        children=[
            html.H2(f"{run.key}: {words or 'nothing is wrong'}"),
            html.Ul([html.Li(_words(finding, run)) for finding in findings]),
            html.Details([html.Summary("coverage by rank"), _coverage(run)]),
        ],
    )


def _findings(run: LoadedRun) -> tuple[Finding, ...]:
    """What the doctor found; for a run given as an analysis, what the analysis says is missing."""
    if run.findings is not None:
        return run.findings
    gaps = run.analysis.gaps if run.analysis is not None else ()
    found = [
        Finding(
            gap.code,
            "serious" if gap.serious else "warn",
            gap.message,
            ranks=gap.ranks,
            cost=gap.cost,
            hint=gap.hint,
        )
        for gap in gaps
    ]
    return tuple(sorted(found, key=lambda finding: _LEVELS.index(finding.level)))


def _words(finding: Finding, run: LoadedRun) -> list[Component]:
    look = "worse" if finding.level == "serious" else "soft"
    everywhere = run.analysis is not None and set(run.analysis.ranks) <= set(finding.ranks)
    some = finding.ranks and not everywhere
    ranks = f" (ranks {', '.join(map(str, finding.ranks))})" if some else ""
    lines: list[Component] = [html.B(f"{finding.level} ", className=look), f"{finding.message}{ranks}"]
    if finding.cost:
        lines.append(html.Div(["costs: ", finding.cost], className="soft"))
    if finding.hint:
        lines.append(html.Div(["hint: ", finding.hint], className="soft"))
    return lines


def _coverage(run: LoadedRun) -> Component:
    coverage = run.analysis.coverage if run.analysis is not None else {}
    return table([{"rank": rank, **facts} for rank, facts in coverage.items()])
