"""The documentation as a site: strict, complete, from this host alone; its pages' commands run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from commscope.cli.main import COMMANDS
from tests.conftest import CHECKOUT

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    known = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=CHECKOUT, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_command_has_a_page_with_what_it_prints(site: Path) -> None:
    for name in COMMANDS:
        page = (site / "commands" / f"{name}.html").read_text(encoding="utf-8")
        assert f"Usage: commscope {name}" in page
    shown = re.sub("<[^>]+>", "", (site / "commands" / "analyze.html").read_text(encoding="utf-8"))
    assert "gpt-tp2-sp: 2 ranks, gloo, TP=2 + SP" in shown


@pytest.mark.slow
def test_no_page_asks_another_host(site: Path) -> None:
    """Links a reader may click are none; what a browser fetches by itself would be."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r'<(?:script|img|iframe|link)\b[^>]*?(?:src|href)="(https?://[^"]+)"', text)
        assert [one for one in fetched if 'rel="canonical"' not in one] == [], page.name


def commands_of_pages() -> list[str]:
    """Commands in console blocks of the pages that no other test runs."""
    pages = ("agents.md", "reference.md", "glossary.md")
    blocks = [
        block
        for page in pages
        for block in re.findall(
            r"```console\n(.*?)```", (CHECKOUT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL
        )
    ]
    return [
        line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")
    ]


@pytest.mark.parametrize("command", commands_of_pages())
def test_a_command_of_a_page_runs(command: str) -> None:
    line = command.replace("commscope)", f"{shlex.quote(sys.executable)} -m commscope)")
    done = subprocess.run(["bash", "-c", line], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
