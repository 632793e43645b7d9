"""Answers on a terminal: by its width, in colours only where it has them; questions that need a hint get one."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from commscope.cli.main import run
from commscope.cli.shown.terminal import write
from commscope.report.sections import Section, Table
from tests.conftest import CHECKOUT

WIDE = Table(
    ("phase", "collective", "role", "count", "payload", "wire", "time", "wait", "transfer", "busbw", "from"),
    (
        (
            "forward",
            "all_gather",
            "sp",
            "5",
            "320 KiB",
            "160 KiB",
            "7.95 ms",
            "1.63 ms",
            "6.32 ms",
            "25.9 MB/s",
            "-",
        ),
    ),
    left_out=3,
)
SECTIONS = [
    Section(
        "Title",
        (
            "- A sentence that is much longer than the width of this terminal is, and says that tp2 is better here.",
        ),
        WIDE,
    ),
    Section("Small", (), Table(("a", "b"), (("1", "2"),))),
]


def shown(width: int, *, terminal: bool = False) -> str:
    out = StringIO()
    write(SECTIONS, Console(file=out, width=width, force_terminal=terminal, highlight=False))
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_and_no_word_is_cut(width: int) -> None:
    told = shown(width)
    assert max(map(len, told.splitlines())) <= width
    words = " ".join(sentence for section in SECTIONS for sentence in section.sentences).split()
    assert [word for word in words if word not in told.split()] == []
    for value in WIDE.rows[0][:-1]:
        assert all(part in {word.strip(",:") for word in told.split()} for part in value.split()), value
    assert "3 more rows" in told


def test_what_follows_a_bullet_stands_under_its_first_word() -> None:
    lines = shown(40).splitlines()
    assert lines[1].startswith("- A sentence")
    assert lines[2].startswith("  ")


def test_a_table_that_fits_stays_a_table() -> None:
    assert "phase    collective" in shown(120)
    assert "phase forward: collective all_gather, role sp" in shown(60)


def test_colours_stand_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" not in shown(80)
    assert "\x1b[32mbetter" in shown(80, terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in shown(80, terminal=True)


def test_a_page_of_html_is_not_for_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from commscope.cli import common

    monkeypatch.setattr(common.sys.stdout, "isatty", lambda: True, raising=False)
    assert run(["analyze", str(CHECKOUT / "traces" / "gpt-tp2"), "--format", "html"]) == 2
    assert "-o report.html" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["anlyze", "x"], 2, "did you mean: commscope analyze"),
        ([], 2, "Usage: commscope"),
        (["analyze", str(CHECKOUT / "traces")], 2, "runs: "),
    ],
)
def test_what_was_meant_is_named(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    told = capsys.readouterr().err
    assert words in told
    assert "error: Usage" not in told


def test_a_dashboard_over_nothing_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("dash")
    assert run(["dashboard", str(tmp_path / "nowhere"), "--no-browser", "--port", "0"]) == 2
    assert "no such file or folder" in capsys.readouterr().err
