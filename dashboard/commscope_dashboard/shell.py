"""What stands around every page: name, navigation, theme switch, and the one selection of the reader."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import dash
import dash_mantine_components as dmc
from dash import dcc, html

from commscope_dashboard.components import Component, attributes

THEME = {"fontFamily": "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"}


def shell(pages: Sequence[ModuleType]) -> Component:
    """Header with navigation over the page.

    `view` holds the selection, ids only; `asked` the same once the reader changed something on the page.
    """
    links = [
        dcc.Link(page.NAME, href=page.PATH, id={"type": "nav", "key": page.PATH}, className="nav")
        for page in pages
    ]
    return dmc.MantineProvider(
        theme=THEME,
        defaultColorScheme="auto",
        children=[
            dcc.Location(id="place", refresh="callback-nav"),
            dcc.Store(id="view", data={}),
            dcc.Store(id="asked"),
            dcc.Store(id="shared"),
            dcc.Store(id="picked"),
            dcc.Store(id="scheme-now"),
            dcc.Download(id="download"),
            html.Header(
                className="top",
                children=[
                    html.Span("CommScope", className="brand"),
                    html.Nav(links, **attributes({"aria-label": "pages"})),
                    html.Span(className="spring"),
                    html.Button("copy link", id="copy-link", className="quiet"),
                    dmc.ColorSchemeToggle(
                        id="scheme",
                        lightIcon=html.Span("light"),
                        darkIcon=html.Span("dark"),
                        variant="default",
                        size="sm",
                        w=56,
                        **attributes({"aria-label": "light or dark"}),
                    ),
                ],
            ),
            html.Main(dash.page_container),
        ],
    )
