"""Names that others chose give no orders to terminals, logs of CI, pages and spreadsheets."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from commscope_dashboard.callbacks import csv_text
from hypothesis import given
from hypothesis import strategies as st

from commscope.cli.main import run
from commscope.errors import UsageProblem
from commscope.printable import printable
from commscope.report import render
from commscope.report.contract import dumps
from commscope.report.sections import Section, Table
from tests.conftest import CHECKOUT

ORDERS = (
    "\x1b]0;title\x07",
    "\x9b2J",
    "\u202egpj.exe",
    "\x00",
    "\n::stop-commands::x",
    "\r",
    "\udcff",
    "##vso[task.x]",
)
COMMAND = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)


@given(st.text())
def test_whatever_the_text_it_is_one_printable_line_without_orders(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert not COMMAND.search(shown)
    shown.encode()


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text or COMMAND.search(text)
    assert printable("at::native::add #1 ## x") == "at::native::add #1 ## x"


def test_errors_are_three_lines_whatever_they_name() -> None:
    text = str(UsageProblem("what\n::error::x", where="a\x1b[2Jb\nc", hint="d\u2028e"))
    assert [line.partition(":")[0] for line in text.split("\n")] == ["error", "where", "hint"]
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("order", ORDERS)
def test_no_renderer_passes_an_order_on(order: str) -> None:
    section = Section(order, (order, f"a {order}"), Table((order, "b"), ((order, "1"),)))
    for dress in (render.text, render.markdown):
        shown = dress([section])
        assert shown.replace("\n", "").isprintable()
        assert not COMMAND.search(shown)
        assert shown.count("\n") == dress(
            [Section("o", ("o", "a o"), Table(("o", "b"), (("o", "1"),)))]
        ).count("\n")
    told = dumps({"name": order})
    assert told.replace("\n", "").isprintable()
    assert json.loads(told) == {"name": order}


def test_markdown_shows_no_tag_and_loads_no_picture() -> None:
    shown = render.markdown([Section("<img src=x>", ("![a](http://b)",), Table(("<b>",), (("<i>|",),)))])
    assert "<" not in shown
    assert "](" not in shown


def test_a_spreadsheet_takes_no_name_for_a_formula() -> None:
    rows = [
        {"name": "=cmd|' /C calc'!A0", "time_ns": -3},
        {"name": "+1", "time_ns": 2},
        {"name": " @x", "time_ns": 1},
    ]
    lines = csv_text(rows).splitlines()
    assert lines[1:] == ["'=cmd|' /C calc'!A0,-3", "'+1,2", "' @x,1"]


@pytest.mark.parametrize("form", ["text", "markdown", "json", "github", "junit"])
def test_a_folder_with_a_hostile_name_is_checked_without_orders(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a\x1b[31m\n::stop-commands::x"
    shutil.copytree(CHECKOUT / "traces" / "gpt-tp2", folder)
    run(["check", str(folder), "--baseline", str(CHECKOUT / "traces"), "--format", form])
    run(["analyze", str(folder / "nothing")])
    said = capsys.readouterr()
    assert (said.out + said.err).replace("\n", "").isprintable()
    assert "\n::stop" not in said.out + said.err
