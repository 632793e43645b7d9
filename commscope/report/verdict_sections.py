"""What `commscope check` tells: Verdict -> sections, worst first."""

from __future__ import annotations

from collections.abc import Sequence

from commscope.check.result import HELD, Row, RunVerdict, Verdict
from commscope.check.samples.history import Series
from commscope.report.comparison_sections import difference_words, format_metric
from commscope.report.sections import Section, cut
from commscope.units import format_percent

MOST_ROWS = 12
MOST_REASONS = 4
WORDS = {"pass": "passes", "fail": "fails", "error": "could not be checked"}


def verdict_sections(verdict: Verdict) -> tuple[Section, ...]:
    """One headline, then one section a run."""
    return (Section("", (headline(verdict),)), *[_run(run) for run in verdict.runs])


def history_sections(series: Sequence[Series]) -> tuple[Section, ...]:
    """Where a metric changed over many runs: a warning, never a failure."""
    if not series:
        return ()
    notes = {one.note for one in series if one.note}
    rows = [
        (
            point.metric,
            point.run,
            format_metric(one.unit, point.before),
            format_metric(one.unit, point.after),
            "-" if point.change is None else format_percent(point.change, signed=True),
        )
        for one in series
        for point in one.points
    ]
    told = f"{_plural(len(series[0].runs), 'run')}, {_plural(len(rows), 'change point')} (warning only)."
    columns = ("metric", "from run", "before", "after", "change")
    return (Section("History", (told, *sorted(notes)), cut(columns, rows, MOST_ROWS) if rows else None),)


def headline(verdict: Verdict) -> str:
    """`fail: 2 budgets broken in 1 of 6 runs.`"""
    failing = [row for run in verdict.runs for row in run.rows if row.fails]
    runs = [run for run in verdict.runs if run.status != "pass"]
    if verdict.status == "pass":
        warned = sum(row.warns for run in verdict.runs for row in run.rows)
        return f"pass: {_plural(len(verdict.runs), 'run')} checked, {_plural(warned, 'warning')}."
    total = _plural(len(verdict.runs), "run")
    if not verdict.runs:
        return "error: nothing was checked."
    if verdict.status == "fail":
        return f"fail: {_plural(len(failing), 'budget')} broken in {len(runs)} of {total}."
    return f"error: {len(runs)} of {total} could not be checked."


def worst_first(run: RunVerdict) -> tuple[Row, ...]:
    """Rows that fail, then rows that warn; each group in the order check gave."""
    return tuple(row for row in run.rows if row.fails) + tuple(row for row in run.rows if row.warns)


def row_words(row: Row) -> str:
    """`before -> after (budget)`, in the metric's unit."""
    if row.baseline is None and row.candidate is None:
        return f"allowed: {row.budget}"
    before, after = format_metric(row.unit, row.baseline), format_metric(row.unit, row.candidate)
    return f"{before} → {after} (allowed: {row.budget})"


def _run(run: RunVerdict) -> Section:
    title = f"{run.run} {WORDS[run.status]}" + (f" against {run.baseline}" if run.baseline else "")
    shown = worst_first(run)
    untold = [row for row in run.rows if row.status == "not-comparable"] if run.status == "error" else []
    lines = _reasons([*shown, *untold])
    if run.differences:
        lines.append("Differs: " + "; ".join(map(difference_words, run.differences)) + ".")
    else:
        lines += run.notes
    held = sum(row.status in HELD and row.level != "off" for row in run.rows)
    lines.append(f"{_plural(held, 'budget')} held.{_not_compared(run)}")
    lines += sorted({f"more: {row.command}" for row in shown if row.command})
    if not shown:
        return Section(title, tuple(lines))
    rows = [
        (
            row.level,
            row.metric,
            _value(row, row.baseline),
            _value(row, row.candidate),
            "-" if row.change is None else format_percent(row.change, signed=True),
            row.budget,
            row.status,
        )
        for row in shown
    ]
    columns = ("level", "metric", "baseline", "candidate", "change", "allowed", "status")
    return Section(title, tuple(lines), cut(columns, rows, MOST_ROWS))


def _value(row: Row, value: float | None) -> str:
    """`-` where the row has no number at all, as a rank without a trace has none."""
    has_none = row.baseline is None and row.candidate is None
    return "-" if has_none else format_metric(row.unit, value)


def _reasons(shown: Sequence[Row]) -> list[str]:
    """Each reason once, with the metrics it stands behind."""
    behind: dict[str, list[str]] = {}
    for row in shown:
        if row.why:
            behind.setdefault(row.why, []).append(row.metric)
    return [f"{_several(metrics)}: {why}" for why, metrics in list(behind.items())[:MOST_REASONS]]


def _several(metrics: Sequence[str]) -> str:
    more = len(metrics) - 1
    return f"{metrics[0]} and {more} more" if more else metrics[0]


def _not_compared(run: RunVerdict) -> str:
    """Budgets that could not be held against the baseline: neither kept nor broken."""
    count = sum(row.status == "not-comparable" for row in run.rows)
    return f" {_plural(count, 'budget')} could not be compared." if count else ""


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
