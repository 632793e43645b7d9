"""What-if: View and Library -> the replayed step, in words and as a figure."""

from __future__ import annotations

import plotly.graph_objects as go
from dash import html

from commscope.errors import CommScopeError
from commscope.figures import whatif_bars
from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.subject import resolve
from commscope.figures.drawing.theme import nothing
from commscope.units import format_percent, format_time
from commscope.whatif import Outcome, Scenario, replay
from commscope_dashboard.components import Component, attributes, error_card
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import View


def scenario_of(view: View) -> Scenario:
    """The scenario the controls describe."""
    return Scenario(
        no_stragglers=view.stragglers == "no",
        comm_free=view.communication == "free",
        bandwidth=2.0**view.bandwidth_log2,
        latency=view.latency,
    )


def outcome_of(library: Library, view: View) -> Outcome | CommScopeError | None:
    """The shown window replayed; the error where it cannot be."""
    analysis = library.analysis(view.run)
    if analysis is None:
        return None
    try:
        return replay(analysis, scenario_of(view), resolve(analysis, view.step))
    except CommScopeError as error:
        return error


def answer(library: Library, view: View) -> Component:
    """The new step time beside the recorded one."""
    outcome = outcome_of(library, view)
    if outcome is None:
        return html.P("no run to show")
    if isinstance(outcome, CommScopeError):
        return error_card(outcome, subject="This run cannot be replayed")
    if scenario_of(view) == Scenario():
        said: list[Component] = [
            f"As recorded, {outcome.window} takes {format_time(outcome.before_ns)}; its path is mostly ",
            f"{outcome.becomes_critical}. Move a control to replay it.",
        ]
    else:
        said = _answer_words(outcome, view)
    return html.P(
        said,
        className="verdict",
        id="whatif-answer",
        **attributes({"data-after-ns": str(outcome.after_ns), "data-before-ns": str(outcome.before_ns)}),
    )


def _answer_words(outcome: Outcome, view: View) -> list[Component]:
    change = format_percent(outcome.ratio - 1, signed=True).replace("-", "−")
    return [
        f"{words_of(scenario_of(view))}: ",
        html.B(format_time(outcome.after_ns)),
        f" instead of {format_time(outcome.before_ns)} ({change}) in {outcome.window}",
        f"; then the path is mostly {outcome.becomes_critical}.",
    ]


def words_of(scenario: Scenario) -> str:
    """What is different, in words."""
    changes = [
        f"{scenario.bandwidth:.3g}× the bandwidth" if scenario.bandwidth != 1 else "",
        f"{scenario.latency:.3g}× the latency" if scenario.latency != 1 else "",
        "no stragglers" if scenario.no_stragglers else "",
        "free communication" if scenario.comm_free else "",
    ]
    return "With " + (", ".join(change for change in changes if change) or "nothing changed")


def draw(library: Library, view: View) -> go.Figure:
    """The path before and after, by kind."""
    outcome = outcome_of(library, view)
    if not isinstance(outcome, Outcome):
        return nothing(whatif_bars.TITLE, "this run cannot be replayed")
    return whatif_bars.draw(outcome)


def caption(library: Library, view: View) -> str:
    """The finding in words."""
    outcome = outcome_of(library, view)
    return whatif_bars.caption(outcome) if isinstance(outcome, Outcome) else "This run cannot be replayed."


def rows(library: Library, view: View) -> list[Row]:
    """The path before and after by kind, rank, phase and collective."""
    outcome = outcome_of(library, view)
    return whatif_bars.table(outcome) if isinstance(outcome, Outcome) else []
