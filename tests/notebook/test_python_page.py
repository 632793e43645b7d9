"""The front door: every name of `commscope` stands in an example, and the examples and the notebook run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import commscope
from tests.conftest import CHECKOUT

PAGE = (CHECKOUT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
NOTEBOOK = CHECKOUT / "docs" / "notebook.ipynb"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that holds what a checkout holds, and takes what the examples write."""
    for name in ("traces", "pyproject.toml"):
        (tmp_path / name).symlink_to(CHECKOUT / name)
    return tmp_path


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def test_every_name_stands_in_an_example() -> None:
    code = "\n".join(EXAMPLES)
    assert [name for name in commscope.__all__ if f"commscope.{name}" not in code] == []


@pytest.mark.record
def test_the_examples_run_in_the_order_of_the_page(place: Path) -> None:
    done = run("\n".join(EXAMPLES), place)
    assert done.returncode == 0, done.stderr
    assert "error: no such file or folder\nwhere: traces/no-such-run" in done.stdout


def test_an_import_takes_nothing_along() -> None:
    heavy = ("pandas", "numpy", "torch", "plotly", "dash", "click", "rich")
    done = run(f"import sys, commscope; print([name for name in {heavy} if name in sys.modules])", CHECKOUT)
    assert done.stdout.strip() == "[]"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        commscope.lod  # noqa: B018


def test_the_notebook_gives_what_it_shows(tmp_path: Path) -> None:
    """Run anew in its folder; the figures' JSON is left out, since plotly's versions write it differently."""
    again = tmp_path / "again.ipynb"
    code = (
        "import nbformat, sys\nfrom nbclient import NotebookClient\n"
        f"book = nbformat.read({str(NOTEBOOK)!r}, as_version=4)\n"
        f"NotebookClient(book, timeout=120, kernel_name='python3', resources={{'metadata': {{'path': {str(NOTEBOOK.parent)!r}}}}}).execute()\n"
        f"nbformat.write(book, {str(again)!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path), "IPYTHONDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    shown, found = (texts(json.loads(book.read_text(encoding="utf-8"))) for book in (NOTEBOOK, again))
    assert shown
    assert found == shown


def texts(book: dict) -> list[str]:
    """What the cells print and show as text or HTML."""
    given = []
    for cell in book["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            given += ["".join(output.get("text", ""))]
            if "application/vnd.plotly.v1+json" not in data:
                given += ["".join(data.get(kind, "")) for kind in ("text/plain", "text/html")]
    return [text for text in given if text and "object at 0x" not in text]
