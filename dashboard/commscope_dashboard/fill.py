"""A page with its content: layout of empty places -> the same with words, numbers and figures of a view.

What a page shows at first travels with its layout, so that no callback has to answer before it can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from commscope_dashboard import charts, parts
from commscope_dashboard.components import FIGURE_KINDS, Component, table
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import View


def filled(layout: list[Component], library: Library, view: View, scheme: str) -> list[Component]:
    """The layout with every part rendered and every figure drawn."""
    for place in _places(layout):
        kind, key = place.id["type"], place.id["key"]
        if kind == "part":
            place.children = parts.render(library, view, key)
        elif kind in FIGURE_KINDS:
            drawn = charts.draw(library, view, key)
            place.figure = charts.in_scheme(drawn.figure, scheme)
            place.className = charts.class_of(drawn.figure)
        else:
            _fill_words(place, kind, library, view)
    return layout


def _fill_words(place: Component, kind: str, library: Library, view: View) -> None:
    of_figure, _, what = kind.partition("-")
    if of_figure not in FIGURE_KINDS or not what:
        return
    drawn = charts.draw(library, view, place.id["key"])
    words = {"title": drawn.title, "caption": drawn.caption, "twin": table(drawn.rows)}
    place.children = words[what]


def _places(component: Any) -> Iterator[Component]:
    """Components of which the id is a pattern, outermost first."""
    if isinstance(component, list | tuple):
        for one in component:
            yield from _places(one)
        return
    if isinstance(getattr(component, "id", None), dict):
        yield component
    children = getattr(component, "children", None)
    if children is not None and not isinstance(children, str):
        yield from _places(children)
