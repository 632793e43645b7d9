"""A Verdict and the history of its metrics as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from commscope.check.result import RunVerdict, Verdict
from commscope.check.samples.history import Series
from commscope.figures import history_line
from commscope.report.html import figure_block, html_table, page_of
from commscope.report.verdict_sections import WORDS, headline, row_words, worst_first
from commscope.units import format_percent


def check_html(verdict: Verdict, series: Sequence[Series]) -> str:
    """The gate's answer, worst first, then a small plot a metric."""
    kind = "good" if verdict.status == "pass" else "bad"
    body = [
        "<h1>commscope check</h1>",
        f'<p class="banner {kind}">{escape(headline(verdict))}</p>',
        *[_run(run) for run in verdict.runs],
        *[_series(one) for one in series],
    ]
    return page_of("check", body)


def _run(run: RunVerdict) -> str:
    rows = [
        {
            "level": row.level,
            "metric": row.metric,
            "status": row.status,
            "values": row_words(row),
            "why": row.why,
        }
        for row in worst_first(run)
    ]
    notes = "".join(f"<p>{escape(note)}</p>" for note in run.notes)
    table = html_table(rows) if rows else "<p>Every budget held.</p>"
    return f"<h2>{escape(run.run)} {WORDS[run.status]}</h2>{notes}{table}"


def _series(one: Series) -> str:
    figure = history_line.draw(
        one.metric, one.unit, one.runs, one.values, [point.index for point in one.points]
    )
    told = "; ".join(
        f"from {point.run} on it is another one, {format_percent(point.change, signed=True)}"
        for point in one.points
    )
    rows = [{"run": run, one.metric: value} for run, value in zip(one.runs, one.values, strict=True)]
    return figure_block(f"history-{one.metric}", figure, told or one.note or "No change point.", rows)
