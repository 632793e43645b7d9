"""What to do first: Analysis -> a section and documents."""

from __future__ import annotations

from typing import Any

from commscope.analysis.result import Analysis
from commscope.report.sections import Section
from commscope.whatif import proposals


def proposal_section(analysis: Analysis, window: str) -> Section | None:
    """Two or three proposals with what they would save of a window; None where the trace supports none."""
    found = proposals(analysis, window)
    lines = tuple(f"{number}. {one.words}" for number, one in enumerate(found, 1))
    return Section("What to do, and what the replay says it saves", lines) if lines else None


def proposal_documents(analysis: Analysis, window: str) -> list[dict[str, Any]]:
    """The proposals as plain documents; `scenario` is the option of `commscope whatif` that replays each."""
    return [
        {
            "what": one.what,
            "gain_ns": one.gain_ns,
            "scenario": one.scenario,
            "window_ns": one.window_ns,
            "is_limit": one.is_limit,
            "words": one.words,
        }
        for one in proposals(analysis, window)
    ]
