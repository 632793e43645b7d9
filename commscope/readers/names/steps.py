"""Names that mark a step: `ProfilerStep#3` as the profiler writes it, else `step 3` as programs do.

Engines number nothing: vLLM writes `execute_context_1(512)_generation_3(3)` (requests and tokens of prompts,
of generation), before that `execute_new_1_cached_3`; SGLang `step[DECODE bs=32]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MARKS = (
    re.compile(r"ProfilerStep\s*#\s*(\d+)"),
    re.compile(r"\W*(?:train(?:ing)?[ _]?)?(?:step|iteration|iter)[ _#:=]*(\d+)\W*", re.IGNORECASE),
)
_ENGINE = re.compile(
    r"execute_context_(?P<context>\d+)\(\d+\)_generation_\d+\(\d+\).*"
    r"|execute_new_(?P<new>\d+)_cached_\d+.*"
    r"|step\[(?P<mode>[A-Z_]+)\b[^\]]*\]"
)
_PREFILL_MODES = re.compile(r".*(EXTEND|PREFILL|MIXED).*")
_DECODE_MODES = re.compile(r"DECODE|.*VERIFY")
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


def engine_phase(name: str) -> str | None:
    """What a batch of an engine does: prefill, decode, or other; None where the name marks no batch."""
    match = _ENGINE.fullmatch(name) if len(name) <= _LONGEST else None
    if match is None:
        return None
    if match["mode"]:
        if _PREFILL_MODES.fullmatch(match["mode"]):
            return "prefill"
        return "decode" if _DECODE_MODES.fullmatch(match["mode"]) else "other"
    return "prefill" if int(match["context"] or match["new"]) else "decode"
