"""Serve the dashboard: paths, host and port -> a running server on this machine."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from flask import Flask
from waitress.server import TcpWSGIServer

from commscope.errors import BackendProblem, UsageProblem
from commscope.printable import printable
from commscope.readers.runs.find import find_runs
from commscope_dashboard.app import create_app, warm
from commscope_dashboard.web.guard import LOCAL_HOSTS, MOST_BODY_BYTES, names_of

_THREADS = 16
_BROWSER_DELAY_S = 0.8


def serve(
    paths: Sequence[Path],
    host: str = "127.0.0.1",
    port: int = 8050,
    open_browser: bool = True,
    names: Sequence[str] = (),
) -> None:
    """Analyze the runs, then serve them until a signal ends this process; port 0 takes a free one.

    It answers to this machine's names and to `names`.

    Raises BackendProblem where the port is taken, and whatever a signal's handler raises.
    """
    with _listen(host, port) as listening:
        for path in paths:
            if not path.exists():
                raise UsageProblem("no such file or folder", where=str(path), hint="check the path")
        app = create_app(find_runs(paths), say=_say, hosts=(*names_of(host), *names))
        warm(app)
        warning = exposure_warning(host)
        if warning:
            _say(warning)
        server = server_of(app.server, listening)
        url = _url(host, listening.getsockname()[1])
        _say(f"dashboard at {url} (Ctrl-C ends it)")
        if open_browser:
            threading.Timer(_BROWSER_DELAY_S, webbrowser.open, [url]).start()
        server.run()


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """waitress's own `run` swallows what ends it (Ctrl-C, a scheduler's SIGTERM); the exit code needs it."""

    def run(self) -> None:
        """Serve until something is raised."""
        try:
            self.asyncore.loop(self.adj.asyncore_loop_timeout, self.adj.asyncore_use_poll, self._map)
        finally:
            self.task_dispatcher.shutdown()


def server_of(app: Flask, listening: socket.socket) -> _Server:
    """A production server of the app on a socket that listens already."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it says how many wait; they are served
    return _Server(
        app,
        _sock=listening,
        bind_socket=False,
        sockinfo=(listening.family, listening.type, listening.proto, listening.getsockname()),
        threads=_THREADS,
        max_request_body_size=MOST_BODY_BYTES,
        ident="",
        clear_untrusted_proxy_headers=True,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        hint = "give another port with --port" if error.errno == errno.EADDRINUSE else "see --host and --port"
        raise BackendProblem(f"cannot listen: {reason}", where=f"{host}:{port}", hint=hint) from error


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


def exposure_warning(host: str) -> str | None:
    """What it means to listen on anything but this machine."""
    if host in LOCAL_HOSTS:
        return None
    return (
        f"warning: listening on {host}; everybody who reaches this machine can read these traces, "
        "there is no password. An ssh tunnel (ssh -L 8050:127.0.0.1:8050 HOST) keeps it private"
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()
