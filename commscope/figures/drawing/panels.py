"""Panels of one figure: names -> layout of axes side by side or below each other, each panel with a title."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def axis(kind: str, place: int) -> str:
    """Name of an axis as a trace refers to it: x, x2, ..."""
    return kind if place == 0 else f"{kind}{place + 1}"


def columns(names: Sequence[str], *, gap: float = 0.14) -> dict[str, Any]:
    """Layout of panels beside each other."""
    return _layout(names, gap, ("x", "y"))


def rows(names: Sequence[str], *, gap: float = 0.22) -> dict[str, Any]:
    """Layout of panels below each other, the first on top."""
    return _layout(names, gap, ("y", "x"))


def _layout(names: Sequence[str], gap: float, kinds: tuple[str, str]) -> dict[str, Any]:
    along, across = kinds
    width = (1 - gap * (len(names) - 1)) / len(names)
    layout: dict[str, Any] = {"annotations": []}
    for place, name in enumerate(names):
        at = place if along == "x" else len(names) - 1 - place
        low = at * (width + gap)
        layout[f"{along}axis{axis('', place)}"] = {
            "domain": [low, low + width],
            "anchor": axis(across, place),
        }
        layout[f"{across}axis{axis('', place)}"] = {"domain": [0, 1], "anchor": axis(along, place)}
        middle, top = (low + width / 2, 1.0) if along == "x" else (0.5, low + width)
        if len(names) > 1:
            layout["annotations"].append(_title(name, middle, top))
    return layout


def _title(name: str, x: float, y: float) -> dict[str, Any]:
    place = {"x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom"}
    return {"text": name, "showarrow": False, "font": {"size": 13}, **place}
