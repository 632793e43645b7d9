"""What a report says, before how it looks: Analysis or Comparison -> sections of sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows of ready text; numbers are right-aligned by the renderer. `left_out` rows were cut."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """One question: a title, sentences that state the finding, and a table behind it."""

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None


def cut(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], most: int) -> Table:
    """A table of at most `most` rows that says how many it left out."""
    return Table(columns, tuple(rows[:most]), max(0, len(rows) - most))
