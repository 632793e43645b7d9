"""The Dash app: runs -> app. Pages are registered here, state lives in the URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import dash
from dash import Dash, html
from flask import Flask, has_request_context, request

from commscope.analysis.result import Analysis
from commscope_dashboard import callbacks
from commscope_dashboard.fill import filled
from commscope_dashboard.pages import PAGES, doctor
from commscope_dashboard.preview import no_such_page, preview
from commscope_dashboard.runs.library import Library, LoadedRun, Read, load, unique_key
from commscope_dashboard.runs.loading import read_cached
from commscope_dashboard.shell import shell
from commscope_dashboard.view import view_of
from commscope_dashboard.web import routes
from commscope_dashboard.web.compression import keep_compressed
from commscope_dashboard.web.first_paint import EARLY_SCRIPT, SCHEME_COOKIE, EarlyDash
from commscope_dashboard.web.guard import guard, script_hash


def create_app(
    runs: Sequence[Path],
    *,
    analyses: Sequence[Analysis] = (),
    read: Read = read_cached,
    say: Callable[[str], None] = lambda _: None,
    hosts: Sequence[str] = (),
) -> Dash:
    """An app over run folders, each analyzed once now; `analyses` are shown beside them as they are.

    It answers to the names of this machine's loopback, to addresses, and to `hosts`.
    """
    loaded = list(load(runs, read=read, say=say))
    for analysis in analyses:
        key = unique_key(analysis.run.name, [run.key for run in loaded])
        loaded.append(LoadedRun(key, analysis.run.path, analysis=analysis))
    return app_of(Library(loaded), hosts=hosts)


def app_of(library: Library, *, hosts: Sequence[str] = ()) -> Dash:
    """An app over runs that are already loaded."""
    app = EarlyDash(
        "commscope_dashboard",
        preview=partial(preview, library),
        draws=lambda: request.path != doctor.PATH,
        server=keep_compressed(Flask("commscope_dashboard")),
        use_pages=True,
        pages_folder="",
        assets_folder=str(Path(__file__).parent / "assets"),
        serve_locally=True,
        title="CommScope",
        update_title="",
        compress=True,
        add_log_handler=False,
    )
    dash.page_registry.clear()
    for order, page in enumerate(PAGES):
        dash.register_page(  # type: ignore[no-untyped-call]
            page.__name__,
            path=page.PATH,
            name=page.NAME,
            title=f"{page.TITLE} · CommScope",
            order=order,
            layout=partial(_page, library, page),
        )
    dash.register_page("not_found_404", layout=_nowhere)  # type: ignore[no-untyped-call]
    app.layout = shell(PAGES)
    routes.serve_traces(app.server, library)
    callbacks.register(app, library)
    guard(app.server, lambda: (*app.csp_hashes(), script_hash(EARLY_SCRIPT)), hosts)
    return app


def warm(app: Dash) -> None:
    """Ask for the first screen once, so that no reader waits for what is only made at the first time."""
    client = app.server.test_client()
    for path in (PAGES[0].PATH, "/_dash-layout", "/_dash-dependencies"):
        client.get(path, headers={"Accept-Encoding": "identity"}).close()
    with app.server.test_request_context(PAGES[0].PATH):
        next(iter(dash.page_registry.values()))["layout"]()


def _nowhere(**_: Any) -> Any:
    return html.Div(no_such_page(), className="page")


def _page(library: Library, page: ModuleType, **query: Any) -> Any:
    view = view_of(library, query)
    layout = page.layout(library, view)
    if (
        has_request_context()
    ):  # without one it is Dash, which asks for every page at the start to learn its ids
        layout = filled(layout, library, view, request.cookies.get(SCHEME_COOKIE, "light"))
    return html.Div(layout, className="page")
