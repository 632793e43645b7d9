"""Sections as plain text or markdown: the same content in two dresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from commscope.printable import printable
from commscope.report.sections import Section, Table

_NUMERIC = re.compile(r"^(?:[-+±<>≤≥~]|&lt;)*[\d.,]+(\s?(%|[a-zA-Z/]{1,4}))?( .*)?$|^-$|^not captured$")


class Rendered(str):
    """Plain text with the sections it was made of: a terminal lays them out by its own width."""

    __slots__ = ("sections",)
    sections: tuple[Section, ...]


def text(sections: Sequence[Section]) -> Rendered:
    """Aligned columns, as wide as they are."""
    shown = [_dressed(section, printable) for section in sections]
    rendered = Rendered("\n\n".join("\n".join(_text_section(section)) for section in shown) + "\n")
    rendered.sections = tuple(shown)
    return rendered


def markdown(sections: Sequence[Section]) -> str:
    """Headings and pipe tables for a comment or a file."""
    shown = [_dressed(section, _as_markdown) for section in sections]
    return "\n\n".join("\n\n".join(_markdown_section(section)) for section in shown) + "\n"


def _dressed(section: Section, dress: Callable[[str], str]) -> Section:
    """The section with every text in it made safe: names in it are other people's."""
    table = section.table
    if table is not None:
        rows = tuple(tuple(map(dress, row)) for row in table.rows)
        table = Table(tuple(map(dress, table.columns)), rows, table.left_out)
    return Section(dress(section.title), tuple(map(dress, section.sentences)), table)


def _as_markdown(text: str) -> str:
    """No tag and no link or picture, which a page of a CI system would show or load."""
    return printable(text).replace("<", "&lt;").replace("](", "]\\(")


def _text_section(section: Section) -> list[str]:
    lines = [section.title] if section.title else []
    lines += section.sentences
    if section.table is not None:
        lines += _text_table(section.table)
    return lines


def _markdown_section(section: Section) -> list[str]:
    blocks = [f"### {section.title}"] if section.title else []
    if section.sentences:
        blocks.append("  \n".join(section.sentences))
    if section.table is not None:
        blocks.append("\n".join(_markdown_table(section.table)))
    return blocks


def _text_table(table: Table) -> list[str]:
    widths = [max(len(row[i]) for row in (table.columns, *table.rows)) for i in range(len(table.columns))]
    right = _right_aligned(table)
    lines = [
        "  " + "  ".join(_pad(*cell) for cell in zip(row, widths, right, strict=True)).rstrip()
        for row in (table.columns, *table.rows)
    ]
    return lines + [f"  … {table.left_out} more rows"] * (table.left_out > 0)


def _markdown_table(table: Table) -> list[str]:
    rule = ["--:" if right else ":--" for right in _right_aligned(table)]
    rows = [table.columns, tuple(rule), *table.rows]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return lines + ["", f"… {table.left_out} more rows"] * (table.left_out > 0)


def _right_aligned(table: Table) -> list[bool]:
    return [
        bool(table.rows) and all(_NUMERIC.match(row[column]) for row in table.rows)
        for column in range(len(table.columns))
    ]


def _pad(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)
