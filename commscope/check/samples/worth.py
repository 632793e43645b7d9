"""Is a recording fit to be a baseline? Analysis -> why it must not be one, and what to know if it is."""

from __future__ import annotations

from commscope.analysis.result import Analysis
from commscope.compare.measures.other_load import MOST_SHARE, other_load_of
from commscope.units import format_ranks

DAMAGE = ("truncated", "corrupt", "bad_events", "incomplete_run")


def unfit(analysis: Analysis) -> str:
    """Ranks, events or an end that the recording lacks; "" where it is whole."""
    if analysis.missing_ranks:
        return f"it has no trace of {format_ranks(analysis.missing_ranks)}"
    if analysis.run.complete is False:
        return "its recording did not run to its end"
    return next((gap.message for gap in analysis.gaps if gap.code in DAMAGE), "")


def doubts(analysis: Analysis) -> tuple[str, ...]:
    """What a check against it will be able to say less about."""
    load, matching = other_load_of(analysis.run), analysis.matching
    found = []
    if load is not None and load.share > MOST_SHARE:
        found.append(f"other programs kept {load.words} busy: times against it only warn")
    if lost := matching.unmatched + matching.refused:
        found.append(f"{lost} of {matching.instances} collectives are not matched: waits are not told")
    return tuple(found)
