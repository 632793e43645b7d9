"""Compressed scripts are kept: what is the same for every page is compressed once, not once a visit."""

from __future__ import annotations

from flask import Flask, Request

_SUITES = "/_dash-component-suites/"
_UNKEPT = "answers of callbacks"


class _Kept:
    """Compressed bodies by key, in the form flask-compress asks for."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self._bodies.get(key)

    def set(self, key: str, body: bytes) -> None:
        if not key.endswith(_UNKEPT):
            self._bodies[key] = body


def keep_compressed(server: Flask) -> Flask:
    """The server, told to keep; before the app that compresses is made of it."""
    server.config["COMPRESS_STREAMS"] = False  # flask-compress leaves streamed files open
    server.config["COMPRESS_CACHE_BACKEND"] = _Kept
    server.config["COMPRESS_CACHE_KEY"] = key_of
    return server


def key_of(request: Request) -> str:
    """One key for each script of a package; one for all that is never kept."""
    return request.full_path if request.path.startswith(_SUITES) else _UNKEPT
