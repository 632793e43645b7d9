"""One self-contained page: Analysis | Comparison -> HTML that asks no host for anything, light and dark.

plotly.js stands in the page, and its content security policy forbids every request. Each figure has a caption
that states the finding and a table with its numbers, so that the page can be read without scripts too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from commscope.analysis.result import Analysis
from commscope.compare import Comparison, Metric
from commscope.figures.catalog import CHARTS, Chart
from commscope.figures.drawing.cells import Row, cell, columns, heading
from commscope.figures.drawing.subject import MEDIAN, Subject, shown, window_words
from commscope.figures.drawing.theme import template
from commscope.figures.metrics import change_words, is_headline, title_of, value_words
from commscope.report.comparison_sections import difference_words
from commscope.report.page import PAGE_SCRIPT, PAGE_STYLE
from commscope.trace import Gap

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_MOST_TABLE_ROWS = 200
_BREAKS = " (breaks the comparison)"


def comparison_html(comparison: Comparison) -> str:
    """The comparison of two runs: whether they compare, the verdict, the metrics, the figures."""
    baseline, candidate = shown(comparison)
    body = [
        f"<h1>{escape(baseline.label)} <small>vs</small> {escape(candidate.label)}</h1>",
        _banner(comparison),
        f'<p class="verdict">{escape(comparison.headline)}</p>',
        "<ul>" + "".join(f"<li>{escape(finding)}</li>" for finding in comparison.findings) + "</ul>",
        _metrics([metric for metric in comparison.metrics if is_headline(metric)]),
        f"<details><summary>All {len(comparison.metrics)} metrics</summary>",
        f"{_metrics(comparison.metrics)}</details>",
        *_figures(comparison),
        *(_gaps(run.label, run.analysis.gaps) for run in (baseline, candidate)),
    ]
    return page_of(f"{baseline.label} vs {candidate.label}", body)


def analysis_html(analysis: Analysis) -> str:
    """One run: the figures and what its trace does not say."""
    run = shown(analysis)[0]
    ranks = f"{len(analysis.ranks)} ranks"
    missing = f", {len(analysis.missing_ranks)} missing" if analysis.missing_ranks else ""
    backend = analysis.run.backend or "backend not told"
    body = [
        f"<h1>{escape(run.label)}</h1>",
        f'<p class="banner">{ranks}{missing}, {escape(backend)}, shown: {escape(window_words([run]))}.</p>',
        *_figures(analysis),
        _gaps(run.label, analysis.gaps),
    ]
    return page_of(run.label, body)


def html_table(rows: Sequence[Row]) -> str:
    """Rows as a table; more than 200 are cut, and the cut is said."""
    if not rows:
        return "<p>nothing to list</p>"
    keys = columns(rows)
    head = "".join(f'<th scope="col">{escape(heading(key))}</th>' for key in keys)
    lines = [
        "<tr>" + "".join(f"<td>{escape(cell(key, row.get(key)))}</td>" for key in keys) + "</tr>"
        for row in rows[:_MOST_TABLE_ROWS]
    ]
    rest = len(rows) - _MOST_TABLE_ROWS
    cut = f"<p>… {rest} more rows</p>" if rest > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>{cut}"


def _figures(subject: Subject) -> list[str]:
    return [_figure(chart, subject) for chart in CHARTS]


def _figure(chart: Chart, subject: Subject) -> str:
    rows = chart.table(subject, MEDIAN)
    return figure_block(chart.key, chart.draw(subject, MEDIAN), chart.caption(subject, MEDIAN), rows)


def figure_block(key: str, figure: go.Figure, caption: str, rows: Sequence[Row]) -> str:
    """One figure with its caption and its table."""
    figure.update_layout(template=None)  # the page brings the template of the scheme in use
    title = escape(str(figure.layout.title.text))
    data = figure.to_json().replace("</", "<\\/")
    return (
        f'<figure id="{key}"><div class="plot" role="img" aria-label="{title}" '
        f'style="min-height:{int(figure.layout.height)}px"></div>'
        f'<script type="application/json">{data}</script>'
        f"<figcaption>{escape(caption)}</figcaption>"
        f"<details><summary>Table: {title}</summary>{html_table(rows)}</details>"
        "</figure>"
    )


def _banner(comparison: Comparison) -> str:
    word = "Comparable" if comparison.comparable else "Not comparable"
    words = [difference_words(row) + _BREAKS * row.breaks for row in comparison.differences]
    differing = "; ".join(words) or "nothing that was recorded"
    unknown = f" Not known to be equal: {', '.join(comparison.unknown)}." if comparison.unknown else ""
    kind = "bad" if not comparison.comparable else "good" if comparison.is_time_shown else "warn"
    said = f"Differs: {differing}.{unknown}{_load(comparison)}"
    return f'<p class="banner {kind}"><b>{word}.</b> {escape(said)}</p>'


def _load(comparison: Comparison) -> str:
    """Other programs on the machine, where they may have moved the times."""
    words = comparison.load_words
    return f" {words[0].upper()}{words[1:]}: no difference between times is shown." if words else ""


def _metrics(metrics: Sequence[Metric]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("metric", "baseline", "candidate", "change"))
    lines = [
        f'<tr><th scope="row" title="{escape(metric.metric)}">{escape(title_of(metric.metric))}</th>'
        f"<td>{value_words(metric, metric.baseline)}</td><td>{value_words(metric, metric.candidate)}</td>"
        f'<td class="{metric.status}">{escape(change_words(metric))}</td></tr>'
        for metric in metrics
    ]
    return f'<table class="metrics"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def _gaps(label: str, gaps: Sequence[Gap]) -> str:
    if not gaps:
        return ""
    lines = "".join(
        f"<li>{escape(gap.message)}{escape(f' — {gap.cost}' if gap.cost else '')}</li>" for gap in gaps
    )
    return f"<h2>Not captured in {escape(label)}</h2><ul>{lines}</ul>"


def page_of(title: str, body: Sequence[str]) -> str:
    """A whole page around a body: styles, plotly.js and both colour schemes inside."""
    schemes = json.dumps({scheme: template(scheme).to_plotly_json() for scheme in ("light", "dark")})
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)} · CommScope</title>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{PAGE_STYLE}</style></head><body><header><b>CommScope</b>"
        '<button id="scheme" type="button">dark or light</button></header>'
        f"<main>{''.join(body)}</main><script>{get_plotlyjs()}</script>"
        f"<script>const TEMPLATES={schemes};{PAGE_SCRIPT}</script></body></html>\n"
    )
