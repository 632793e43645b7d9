"""Answers an agent can read: takes a document, gives it with its long tables cut and said to be cut."""

from __future__ import annotations

from typing import Any

MOST_ROWS = 40


def capped(document: dict[str, Any], most: int = MOST_ROWS) -> dict[str, Any]:
    """Lists cut to their first rows; `left_out` says how many rows of which are missing."""
    left_out: dict[str, int] = {}
    told = {}
    for key, value in document.items():
        is_long = isinstance(value, list) and len(value) > most
        told[key] = value[:most] if is_long else value
        if is_long:
            left_out[key] = len(value) - most
    return {**told, "left_out": left_out}


def of_window(document: dict[str, Any], window: str) -> dict[str, Any]:
    """An analysis with the rows of one window."""
    rows = ("breakdown", "collectives", "stalls", "critical_path")
    return {
        key: [row for row in value if row.get("window") == window] if key in rows else value
        for key, value in document.items()
    }


def cannot_tell(document: dict[str, Any]) -> list[str]:
    """The gaps in words: what was not captured, what that costs, how to record it."""
    return [
        "; ".join(part for part in (gap["message"], gap.get("cost"), gap.get("hint")) if part)
        for gap in document.get("gaps", ())
    ]
