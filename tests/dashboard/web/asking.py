"""The dashboard asked without a browser: a small library, its client, and what a browser's callbacks send."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from commscope_dashboard.app import app_of, warm
from commscope_dashboard.runs.library import Library, LoadedRun
from commscope_dashboard.serve import server_of
from dash import Dash
from flask.testing import FlaskClient

from tests.analyses import make_analysis

UPDATE = "/_dash-update-component"
Body = dict[str, Any]


def small_app(folder: Path = Path("nowhere"), **more: Any) -> Dash:
    """Two runs whose recorded files stand in a folder."""
    runs = [make_analysis(name="one"), make_analysis(name="two", late_ns={1: 9_000})]
    return app_of(Library([LoadedRun(run.run.name, folder, analysis=run) for run in runs]), **more)


def client_of(app: Dash) -> FlaskClient:
    return app.server.test_client()


@contextmanager
def running(app: Dash) -> Iterator[str]:
    """The address of the app, warmed and served as `commscope dashboard` does it."""
    warm(app)  # Dash is not safe against several first requests at once
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = server_of(app.server, listening)

        def serve() -> None:
            with suppress(OSError, ValueError):  # closed below, while it may stand in select
                server.run()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.close()
        thread.join(5)


def get(app: Dash, path: str, **headers: str) -> Any:
    """The whole answer to a GET."""
    return client_of(app).get(path, headers=headers, buffered=True)


_OWN = ("children", "figure", "className")  # properties of the part or figure itself


def asks(kind: str, key: str, *properties: str, **query: Any) -> Body:
    """What the browser sends where the selection changed: a part or a figure with all that hangs on it."""
    outputs = [
        {
            "id": {"key": key, "type": kind if name in _OWN else f"{kind}-{name}"},
            "property": name if name in _OWN else "children",
        }
        for name in properties or ("children",)
    ]
    written = [f'{{"key":["MATCH"],"type":"{one["id"]["type"]}"}}.{one["property"]}' for one in outputs]
    return {
        "output": f"..{'...'.join(written)}.." if len(written) > 1 else written[0],
        "outputs": outputs if len(outputs) > 1 else outputs[0],
        "inputs": [{"id": "asked", "property": "data", "value": query}],
        "changedPropIds": ["asked.data"],
        "parsedChangedPropsIds": ["asked.data"],
    }  # fmt: skip


def part_body(**query: Any) -> Body:
    return asks("part", "banner", **query)


def figure_body(**query: Any) -> Body:
    return asks("figure", "compare-breakdown", "figure", "className", "title", "caption", "twin", **query)
