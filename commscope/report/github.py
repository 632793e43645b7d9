"""GitHub annotations of a Verdict, worst first, and the step summary.

GitHub shows at most 10 annotations of a kind per step and cuts a summary at 1 MiB (its documentation of
workflow commands), so we keep to both and say what was left out.
"""

from __future__ import annotations

from dataclasses import replace

from commscope.check.result import Row, RunVerdict, Verdict
from commscope.printable import printable
from commscope.report.render import markdown
from commscope.report.verdict_sections import headline, row_words, verdict_sections, worst_first

MOST_ANNOTATIONS = 10
ISSUED = "issued"  # counts, bytes and order move together
MOST_SUMMARY_BYTES = 1 << 20
CUT = "\n\n… cut at GitHub's limit of 1 MiB\n"


def github(verdict: Verdict) -> str:
    """Workflow commands, one a line; the last line is the headline."""
    rows = [(run.run, row) for run in verdict.runs for row in causes(run)]
    failing = [(run, row) for run, row in rows if row.fails]
    warning = [(run, row) for run, row in rows if row.warns]
    lines = [_annotation("error", run, row) for run, row in failing[: MOST_ANNOTATIONS - 1]]
    unanswered = [run.run for run in verdict.runs if run.status == "error"]
    left = len(failing) - len(lines)
    if left or unanswered:
        rest = [f"{left} more broken budgets, see the summary"] * (left > 0)
        rest += [f"{', '.join(unanswered)} could not be checked"] * bool(unanswered)
        lines.append(f"::error title=commscope check::{_data('; '.join(rest))}")
    lines += [_annotation("warning", run, row) for run, row in warning[:MOST_ANNOTATIONS]]
    return "\n".join([*lines, headline(verdict)]) + "\n"


def causes(run: RunVerdict) -> list[Row]:
    """The first row of each cause, with how many others it stands for: what is issued, or one time."""
    found: dict[tuple[bool, str], list[Row]] = {}
    for row in worst_first(run):
        cause = ISSUED if row.kind == "exact" and "missing" not in row.status else row.metric.split("/")[0]
        found.setdefault((row.fails, cause), []).append(row)
    return [_told_once(rows) for rows in found.values()]


def _told_once(rows: list[Row]) -> Row:
    more = len(rows) - 1
    if not more:
        return rows[0]
    words = f"{more} more {'budget' if more == 1 else 'budgets'} moved with it"
    return replace(rows[0], why="; ".join(part for part in (rows[0].why, words) if part))


def step_summary(verdict: Verdict) -> str:
    """Markdown for $GITHUB_STEP_SUMMARY, within its limit."""
    text = "## commscope check\n\n" + markdown(verdict_sections(verdict))
    encoded = text.encode()
    if len(encoded) <= MOST_SUMMARY_BYTES:
        return text
    return encoded[: MOST_SUMMARY_BYTES - len(CUT.encode())].decode(errors="ignore") + CUT


def _annotation(kind: str, run: str, row: Row) -> str:
    message = f"{row.status}: {row_words(row)}" + (f". {row.why}" if row.why else "")
    return f"::{kind} title={_property(f'{run}: {row.metric}')}::{_data(message)}"


def _data(text: str) -> str:
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
