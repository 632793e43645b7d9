"""Who may ask, how much, and what every answer carries: hosts, a limit, headers, one error handler."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import logging
import socket
import traceback
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
MOST_BODY_BYTES = 1 << 20  # a callback sends ids, values and a selection
_SHOWN_CHARACTERS = 120
_OWN_FOLDERS = ("/commscope/", "/commscope_dashboard/")
_log = logging.getLogger("commscope_dashboard")


def guard(server: Flask, scripts: Callable[[], Iterable[str]], hosts: Iterable[str] = ()) -> None:
    """Add all of it to a server that answers to `hosts` too.

    `scripts` gives the hashes of inline scripts; Dash adds some of its own at the first request.
    """
    known = {host.lower() for host in (*LOCAL_HOSTS, *hosts)}
    server.config["MAX_CONTENT_LENGTH"] = MOST_BODY_BYTES

    @server.before_request
    def from_a_known_name() -> None:
        if not is_allowed(request.headers.get("Host", ""), known):
            abort(421, "this name is not served: see commscope dashboard --allow-host")

    @server.after_request
    def with_headers(response: Response) -> Response:
        response.headers.update(headers_of(scripts()))
        return response

    server.register_error_handler(Exception, answer_to)


def is_allowed(host: str, known: set[str]) -> bool:
    """Whether a Host header names this server: a known name, or an address.

    A page that had its name rebound to this machine sends its own name; nobody can rebind an address.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in known
    return True


def names_of(host: str) -> tuple[str, ...]:
    """Names that a server listening on a host is reached by."""
    return (host,) if host in LOCAL_HOSTS else (host, socket.gethostname(), socket.getfqdn())


def headers_of(scripts: Iterable[str]) -> dict[str, str]:
    """What every answer carries: nothing from elsewhere runs here, nothing elsewhere frames or embeds it."""
    policy = {
        "default-src": "'self'",
        "script-src": " ".join(("'self'", *scripts)),
        "style-src": "'self' 'unsafe-inline'",  # plotly and mantine set styles
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }


def script_hash(script: str) -> str:
    """How the policy names an inline script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def answer_to(error: Exception) -> Response | HTTPException:
    """The answer to what went wrong. A bad request is one line in the log; a fault of ours its traceback."""
    if isinstance(error, HTTPException):
        if error.code is None or error.code < 400:
            return error
        return _refused(error.code, error.name)
    if _is_own_fault(error):
        _log.error("%s failed", _asked(), exc_info=error)
        return _plain(500, "something went wrong here; the server's log tells more")
    return _refused(400, type(error).__name__)


def _refused(code: int, why: str) -> Response:
    _log.warning("refused with %d (%s): %s", code, why, _asked())
    return _plain(code, why)


def _plain(code: int, words: str) -> Response:
    return Response(f"{words}\n", status=code, mimetype="text/plain")


def _asked() -> str:
    """Method and path on one line, whatever they hold."""
    path = ascii(request.path)[1:-1]
    return f"{ascii(request.method)[1:-1][:16]} {path[:_SHOWN_CHARACTERS]}"


def _is_own_fault(error: Exception) -> bool:
    """Whether it was raised in our code: what Dash or Flask cannot take apart is a malformed request."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and any(folder in frames[-1].filename for folder in _OWN_FOLDERS)
