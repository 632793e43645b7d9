"""Text that others chose, as a terminal, a log of CI or a table may show it: in one line, without orders."""

from __future__ import annotations

import re

_COMMAND = re.compile(r"\A(\s*):(?=:)|#(?=#\w*\[)")  # what CI systems take as an order to them


def printable(text: str) -> str:
    r"""The text in one line; what is no printable character stands as its escape, such as \x1b or \u202e.

    A leading `::` (GitHub), `##[` and `##vso[` (GitHub, Azure), with which a log gives orders, lose their
    first character to its escape. Text without any of these stays as it is.
    """
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _escape(char) for char in text)
    return _COMMAND.sub(_disarmed, text) if "::" in text or "##" in text else text


def printable_lines(text: str) -> str:
    """The same for each line of a text of ours that quotes others."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _disarmed(found: re.Match[str]) -> str:
    return f"{found[1]}\\x3a" if found[0].endswith(":") else "\\x23"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
