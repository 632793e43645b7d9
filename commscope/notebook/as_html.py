"""What a notebook shows of an object: sections of a report -> HTML without scripts, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from commscope.report.sections import Section, Table


def html(sections: Iterable[Section]) -> str:
    """Titles, sentences and tables; nothing is loaded from anywhere."""
    return "".join(f"<section>{_section(section)}</section>" for section in sections)


def _section(section: Section) -> str:
    title = f"<h4>{escape(section.title)}</h4>" if section.title else ""
    sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in section.sentences)
    return title + sentences + (_table(section.table) if section.table is not None else "")


def _table(table: Table) -> str:
    rows = "".join(_row(row, "td") for row in table.rows)
    more = f"<p>… {table.left_out} more rows</p>" if table.left_out else ""
    return f"<table><thead>{_row(table.columns, 'th')}</thead><tbody>{rows}</tbody></table>{more}"


def _row(cells: Iterable[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
