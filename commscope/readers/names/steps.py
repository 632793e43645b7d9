"""Names that mark a step: `ProfilerStep#3` as the profiler writes it, else `step 3` as programs do."""

from __future__ import annotations

import re
from collections.abc import Iterable

MARKS = (
    re.compile(r"ProfilerStep\s*#\s*(\d+)"),
    re.compile(r"\W*(?:train(?:ing)?[ _]?)?(?:step|iteration|iter)[ _#:=]*(\d+)\W*", re.IGNORECASE),
)
_LONGEST = 200  # no mark is longer
_MOST_DIGITS = 18


def step_number(mark: re.Pattern[str], name: str) -> int | None:
    """The step a range of this name marks."""
    match = mark.fullmatch(name[:_LONGEST]) if len(name) <= _LONGEST else None
    return int(match.group(1)) if match and len(match.group(1)) <= _MOST_DIGITS else None


def steps_among(names: Iterable[str]) -> dict[int, str]:
    """Steps marked among names of ranges, by number; the profiler's own marks hide the program's."""
    kept = list(names)
    for mark in MARKS:
        found = {number: name for name in kept if (number := step_number(mark, name)) is not None}
        if found:
            return dict(sorted(found.items()))
    return {}
