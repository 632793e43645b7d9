"""What the index page shows before the app stands: Library and request -> header, verdict and numbers."""

from __future__ import annotations

from dash import html
from flask import request

from commscope.errors import UsageProblem
from commscope.figures.drawing.subject import MEDIAN
from commscope_dashboard import parts
from commscope_dashboard.components import Component, attributes, error_card
from commscope_dashboard.pages import PAGES, compare
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import View, view_of

_PARTS = ("failures", "banner", "verdict", "tiles")


def preview(library: Library) -> list[Component]:
    """The page that was asked for, as far as words and numbers tell it."""
    query = request.query_string.decode()
    links = [
        html.A(
            page.NAME,
            href=f"{page.PATH}?{query}" if query else page.PATH,
            className="nav",
            **attributes({"aria-current": "page"} if request.path == page.PATH else {}),
        )
        for page in PAGES
    ]
    header = html.Header([html.Span("CommScope", className="brand"), html.Nav(links)], className="top")
    if request.path not in {page.PATH for page in PAGES}:
        return [header, html.Main(no_such_page())]
    if request.path != compare.PATH:
        return [header, html.Main(_line("drawing …"))]
    view = view_of(library, request.args)
    return [header, html.Main([_line(_words(view)), *(parts.render(library, view, key) for key in _PARTS)])]


def no_such_page() -> Component:
    """What a mistyped or outdated link shows."""
    problem = UsageProblem("there is no such page", hint="choose one of the pages above")
    return error_card(problem, subject="CommScope")


def _words(view: View) -> str:
    step = "median step" if view.step == MEDIAN else view.step
    return f"{view.baseline} vs {view.candidate} · {step} · drawing the figures …"


def _line(words: str) -> Component:
    return html.Div(html.Span(words, className="soft"), className="controls")
