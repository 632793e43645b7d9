"""An answer on a terminal: sections laid out by its width, in colours where it shows them.

Prose is wrapped between words; a table that does not fit is stacked, one row a paragraph. Colours follow
NO_COLOR, and there are none on what is no terminal, as rich does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.padding import Padding
from rich.text import Text
from rich.theme import Theme

from commscope.printable import printable
from commscope.report import render
from commscope.report.sections import Section, Table

_BULLET = re.compile(r"(?:- |\d+\. )")
_THEME = Theme(
    {"told.better": "green", "told.worse": "bold red", "told.doubt": "yellow", "told.head": "bold"}
)


class _Verdicts(RegexHighlighter):
    """Words that say how something came out."""

    base_style = "told."
    highlights = [  # noqa: RUF012 - rich reads it from the class
        r"\b(?P<better>better|faster|pass(?:es)?)\b",
        r"\b(?P<worse>worse|slower|fails?|broken)\b",
        r"\b(?P<doubt>not shown|not told|cannot be told|not captured|[Ii]ncomplete)\b",
    ]


def write(sections: Sequence[Section], console: Console | None = None) -> None:
    """Print sections on a terminal."""
    shown = console or Console(highlight=False, soft_wrap=False)
    shown.push_theme(_THEME)
    for place, section in enumerate(sections):
        if place:
            shown.print()
        if section.title:
            shown.print(Text(printable(section.title), style="told.head"))
        for sentence in section.sentences:
            _prose(shown, printable(sentence))
        if section.table is not None:
            _table(shown, section.table)


def _prose(console: Console, sentence: str) -> None:
    """Wrapped; what follows a bullet stands under its first word."""
    bullet = _BULLET.match(sentence)
    hang = bullet.end() if bullet else 0
    lines = _verdicts(sentence[hang:]).wrap(console, max(20, console.width - hang))
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(Text(sentence[:hang] if number == 0 else " " * hang) + line)


def _table(console: Console, table: Table) -> None:
    lines = render.text([Section("", (), table)]).splitlines()
    if max(map(len, lines)) <= console.width:
        for number, line in enumerate(lines):
            console.print(Text(line, style="told.head") if number == 0 else _verdicts(line))
        return
    for row in table.rows:
        first, *others = zip(table.columns, row, strict=True)
        pairs = [f"{name} {value}" for name, value in others if value not in {"", "-"}]
        stacked = f"{first[0]} {first[1]}: " if first[0] != first[1] else f"{first[1]}: "
        wrapped = _verdicts(printable(stacked + ", ".join(pairs))).wrap(console, max(20, console.width - 4))
        for number, part in enumerate(wrapped):
            console.print(Padding(part, (0, 0, 0, 2 if number == 0 else 4)))
    if table.left_out:
        console.print(f"  … {table.left_out} more rows")


def _verdicts(line: str) -> Text:
    text = Text(line)
    _Verdicts().highlight(text)
    return text
