"""One content in two dresses."""

from __future__ import annotations

from commscope.report.render import markdown, text
from commscope.report.sections import Section, cut

TABLE = cut(("rank", "time", "what"), [("0", "1.5 ms", "compute"), ("11", "not captured", "wait")], 2)


def test_text_aligns_numbers_right_and_words_left() -> None:
    lines = text([Section("Title", ("A sentence.",), TABLE)]).splitlines()
    assert lines == [
        "Title",
        "A sentence.",
        "  rank          time  what",
        "     0        1.5 ms  compute",
        "    11  not captured  wait",
    ]


def test_markdown_marks_alignment_and_escapes_pipes() -> None:
    table = cut(("a", "b"), [("x|y", "3")], 5)
    lines = markdown([Section("T", (), table)]).splitlines()
    assert lines == ["### T", "", "| a | b |", "| :-- | --: |", "| x\\|y | 3 |"]


def test_a_cut_table_says_how_many_rows_it_left_out() -> None:
    table = cut(("n",), [(str(n),) for n in range(7)], 3)
    assert table.left_out == 4
    assert text([Section("", (), table)]).splitlines()[-1] == "  … 4 more rows"
    assert markdown([Section("", (), table)]).splitlines()[-1] == "… 4 more rows"
