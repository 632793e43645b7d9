"""Recorded files for Perfetto and for download: one URL a rank, of runs in the library only."""

from __future__ import annotations

import os

from flask import Flask, Response, abort, send_file

from commscope_dashboard.runs.library import Library

PREFIX = "/trace"


def trace_url(key: str, rank: int) -> str:
    """Where the recorded file of a rank is served."""
    return f"{PREFIX}/{key}/{rank}"


def serve_traces(server: Flask, library: Library) -> None:
    """Add the route to the app's server."""

    @server.get(f"{PREFIX}/<key>/<int:rank>")
    def trace(key: str, rank: int) -> Response:
        path = library.trace_file(key, rank)
        opened = None if path is None else library.opened(key, path)
        if path is None or opened is None:
            abort(404)
        name = f"{key}-rank{rank}-{path.name}"
        answer = send_file(
            opened, mimetype="application/octet-stream", as_attachment=True, download_name=name
        )
        answer.content_length = os.fstat(opened.fileno()).st_size
        return answer
