"""Debian's chromium for tests: opens a page, remembers what the console said and which hosts were asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
LOCAL_SCHEMES = {"data", "blob", "file"}


@dataclass
class Opened:
    """A page and what happened while it was open."""

    page: Any
    problems: list[str] = field(default_factory=list)
    requests_elsewhere: list[str] = field(default_factory=list)


@contextmanager
def open_page(
    url: str,
    *,
    width: int = 1440,
    height: int = 900,
    scheme: str = "light",
    scripts: bool = True,
    flags: Sequence[str] = (),
) -> Iterator[Opened]:
    """The page at `url` in a fresh chromium; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("no /usr/bin/chromium on this machine")
    home = urlsplit(url).netloc
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*QUIET, *flags])
        page = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=scripts
        ).new_page()
        page.set_default_timeout(90_000)
        opened = Opened(page)

        def heard(message: Any) -> None:
            if message.type in {"error", "warning"}:
                opened.problems.append(f"{message.type}: {message.text}")

        def asked(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in LOCAL_SCHEMES and parts.netloc != home:
                opened.requests_elsewhere.append(request.url)

        page.on("console", heard)
        page.on("pageerror", lambda error: opened.problems.append(str(error)))
        page.on("request", asked)
        page.goto(url)
        yield opened
        browser.close()


def wait_until(page: Any, expression: str, *, polling: int = 100) -> None:
    """Wait for a condition; playwright's own way evaluates text, which the dashboard's policy forbids."""
    for _ in range(90_000 // polling):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(polling)
    raise AssertionError(f"never true: {expression}")
