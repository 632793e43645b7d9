"""The dashboard attacked in a real browser: a rebound name, a frame, names that are scripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from commscope_dashboard.app import app_of
from commscope_dashboard.runs.library import Library, LoadedRun

from commscope.trace import Gap
from tests.analyses import make_analysis
from tests.browser import open_page, wait_until
from tests.dashboard.web.asking import running, small_app

pytestmark = pytest.mark.browser
SCRIPT = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"


def test_a_rebound_name_reads_nothing() -> None:
    with running(small_app()) as url:
        port = urlsplit(url).port
        flags = ["--host-resolver-rules=MAP evil.test 127.0.0.1"]
        with open_page(f"http://evil.test:{port}/", flags=flags) as opened:
            assert opened.page.locator("body").inner_text().strip() == "Misdirected Request"
            read = "path => fetch(path).then(answer => answer.status)"
            assert [opened.page.evaluate(read, path) for path in ("/_dash-layout", "/trace/one/0")] == [
                421,
                421,
            ]


def test_no_other_page_frames_it_or_reads_it() -> None:
    with (
        running(small_app()) as url,
        elsewhere(f"<iframe src='{url}'></iframe>") as other,
        open_page(other) as opened,
    ):
        opened.page.wait_for_timeout(1500)
        frame = opened.page.frames[1]
        assert frame.url.startswith("chrome-error:")
        assert any("frame" in problem for problem in opened.problems)
        blocked = opened.page.evaluate(
            "url => fetch(url, {mode: 'no-cors'}).then(() => 'read', () => 'blocked')", f"{url}/_dash-layout"
        )
        assert blocked == "blocked"


def test_a_name_that_is_a_script_is_text_and_an_inline_script_does_not_run() -> None:
    run = make_analysis(name=SCRIPT, gaps=(Gap(SCRIPT, SCRIPT, cost=SCRIPT, hint=SCRIPT),))
    run = replace(run, instances=run.instances.assign(group=SCRIPT))
    library = Library(
        [
            LoadedRun(SCRIPT, Path("nowhere"), analysis=run),
            LoadedRun("two", Path("nowhere"), analysis=make_analysis()),
        ]
    )
    with running(app_of(library)) as url:
        for path in ("/", "/run", "/collectives", "/path", "/doctor"):
            with open_page(f"{url}{path}") as opened:
                wait_until(opened.page, "!document.querySelector('#preview')")
                opened.page.wait_for_timeout(500)
                assert opened.page.evaluate("window.hit") is None, path
                opened.page.evaluate(
                    "text => { document.body.insertAdjacentHTML('beforeend', text); }", SCRIPT
                )
                opened.page.wait_for_timeout(300)
                assert opened.page.evaluate("window.hit") is None, path


@contextmanager
def elsewhere(page: str) -> Iterator[str]:
    """Another origin that serves one page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()
