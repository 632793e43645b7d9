"""Parts of pages that follow the view: key -> components. Pure functions of Library and View."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dash import html

from commscope.analysis.result import Analysis
from commscope.analysis.summary import step_windows
from commscope.compare import Comparison, capture_overhead
from commscope.errors import CommScopeError
from commscope.figures.metrics import TILES
from commscope.report.comparison_sections import difference_words
from commscope.units import format_percent, format_time
from commscope_dashboard import explorer, scenarios
from commscope_dashboard.components import Component, error_card, notice, tile
from commscope_dashboard.pages import collectives, doctor, run
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import View

Part = Callable[[Library, View], Component]


def banner(library: Library, view: View) -> Component:
    """Whether the two runs are comparable, what differs, and how exact the clocks and the capture are."""
    found = library.comparison(view.baseline, view.candidate)
    if isinstance(found, CommScopeError):
        return error_card(found, subject="These runs cannot be compared")
    if found is None:
        return notice(
            "No run to compare. Start the dashboard with two runs: commscope dashboard A B", kind="warn"
        )
    if view.baseline == view.candidate:
        words = "Baseline and candidate are the same run. Choose another, or give the dashboard two runs."
        return notice(words, kind="warn")
    pieces = [_comparable_words(found), _exactness([run for _, run in _sides(found)])]
    if found.unknown:
        pieces.insert(1, f"Not known to be equal: {', '.join(found.unknown)}.")
    if load := found.load_words:
        pieces.append(f"{load[0].upper()}{load[1:]}: no difference between times is shown.")
    kind = "bad" if not found.comparable else "good" if found.is_time_shown else "warn"
    return notice(" ".join(pieces), kind=kind)


def verdict(library: Library, view: View) -> Component:
    """The comparison's own words: the line, and what it stands on."""
    found = library.comparison(view.baseline, view.candidate)
    if not isinstance(found, Comparison) or view.baseline == view.candidate:
        return None
    findings = html.Ul([html.Li(finding) for finding in found.findings])
    return html.Div([html.P(found.headline, className="verdict"), findings], id="verdict")


def tiles(library: Library, view: View) -> Component:
    """Five numbers of the comparison with the difference in words."""
    found = library.comparison(view.baseline, view.candidate)
    if not isinstance(found, Comparison):
        return None
    steps = _steps_words(found)
    return html.Div(
        [tile(found.metric(name), name=name, steps=steps) for name in TILES],
        className="tiles",
    )


def gaps(library: Library, view: View) -> Component:
    """What was not captured in either run of the comparison."""
    found = library.comparison(view.baseline, view.candidate)
    if not isinstance(found, Comparison):
        return None
    lines = [
        html.Li(f"{label}: {gap.message}" + (f" — {gap.cost}" if gap.cost else ""))
        for label, run in _sides(found)
        for gap in run.gaps
    ]
    return html.Details([html.Summary(f"Not captured ({len(lines)})"), html.Ul(lines)]) if lines else None


def failures(library: Library, _: View) -> Component:
    """A card for each run that could not be read."""
    return [
        error_card(run.error, subject=f"{run.key} could not be read")
        for run in library.failed
        if run.error is not None
    ]


def _sides(found: Comparison) -> tuple[tuple[str, Analysis], ...]:
    return (found.baseline.run.name, found.baseline), (found.candidate.run.name, found.candidate)


def _comparable_words(found: Comparison) -> str:
    if not found.comparable:
        breaking = "; ".join(difference_words(row) for row in found.differences if row.breaks)
        return f"Not comparable: {breaking}."
    differing = "; ".join(difference_words(row) for row in found.differences) or "nothing that was recorded"
    return f"Comparable. Differs: {differing}."


def _exactness(runs: Sequence[Analysis]) -> str:
    """How exact the clocks and the capture are, baseline | candidate where they differ."""
    pieces = [
        _either(f"±{format_time(run.clock.residual_ns)}" if run.clock else "not aligned" for run in runs),
        _either(_overhead_words(run) for run in runs),
        _either(f"{run.matching.matched} of {run.matching.instances}" for run in runs),
    ]
    missing = sum(len(run.missing_ranks) for run in runs)
    lost = f", {missing} ranks missing" if missing else ""
    return f"Clock residual {pieces[0]}; capture overhead {pieces[1]}; instances matched {pieces[2]}{lost}."


def _overhead_words(run: Analysis) -> str:
    overhead = capture_overhead(run)
    return "not measured" if overhead is None else format_percent(overhead)


def _either(words: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(words))


def _steps_words(found: Comparison) -> str:
    counts = {len(step_windows(run)) for _, run in _sides(found)}
    if counts == {0}:
        return " · whole capture"
    return f" · n\u00a0=\u00a0{' and '.join(str(count) for count in sorted(counts))}"


PARTS: Mapping[str, Part] = {
    "run-facts": run.facts,
    "perfetto": run.perfetto,
    "collectives-grid": collectives.grid,
    "whatif-answer": scenarios.answer,
    "plan-answer": lambda _, view: explorer.answer(view),
    "plan-shapes": lambda _, view: explorer.shapes(view),
    "doctor": doctor.report,
    "banner": banner,
    "verdict": verdict,
    "tiles": tiles,
    "gaps": gaps,
    "failures": failures,
}


def render(library: Library, view: View, key: str) -> Any:
    """The part of that key."""
    return PARTS[key](library, view)
