"""Who waited for whom, and why the culprit was late: Analysis -> a section."""

from __future__ import annotations

from commscope.analysis.naming import named_cause_words
from commscope.analysis.result import Analysis
from commscope.analysis.waits import cause_words
from commscope.report.found.late import late_in
from commscope.report.sections import Section, cut
from commscope.units import format_percent, format_time

MOST_STALLS = 4
_LEAST_SHARE = 0.05  # of a culprit's waits: less of it unknown is not worth a word


def stall_section(analysis: Analysis, window: str) -> Section | None:
    """Victims and culprits of a window, and why the one who was waited for most was late."""
    stalls = sorted(
        (stall for stall in analysis.stalls if stall.window == window and stall.wait_ns > 0),
        key=lambda stall: -stall.wait_ns,
    )
    if not stalls:
        return None
    rows = [
        (
            f"rank {stall.victim}",
            f"rank {stall.culprit}",
            format_time(stall.wait_ns),
            cause_words([stall]) or "-",
        )
        for stall in stalls
    ]
    culprits: dict[int, int] = {}
    for stall in stalls:
        culprits[stall.culprit] = culprits.get(stall.culprit, 0) + stall.wait_ns
    worst = max(culprits, key=lambda rank: culprits[rank])
    share = format_percent(culprits[worst] / sum(culprits.values()))
    why = cause_words(stall for stall in stalls if stall.culprit == worst)
    sentence = f"Rank {worst} was waited for most: {share} of all waiting."
    reason = f" It was late by {why}." if why else ""
    names = named_cause_words(cause for stall in stalls if stall.culprit == worst for cause in stall.causes)
    named = f" By name: {names}." if names else ""
    columns = ("victim", "culprit", "wait", "culprit was late by")
    untold = _untold(analysis, window, worst)
    return Section(
        "Who waited for whom", (sentence + reason + named + untold,), cut(columns, rows, MOST_STALLS)
    )


def _untold(analysis: Analysis, window: str, culprit: int) -> str:
    """What would make known the part that nothing explains; empty where that part is small."""
    mine = [one for one in late_in(analysis, window) if one.culprit == culprit]
    unknown_ns = dict.fromkeys((True, False), 0)
    for one in mine:
        unknown_ns[one.is_first] += one.causes_ns.get("unknown", 0)
    if sum(unknown_ns.values()) <= _LEAST_SHARE * sum(one.wait_ns for one in mine):
        return ""
    if unknown_ns[True] >= unknown_ns[False]:
        return (
            " Unknown: it was late before it and the ranks that waited were both recorded; "
            "a capture that begins a step earlier tells why."
        )
    return " Unknown: nothing recorded took longer on it; Python frames (with_stack=True) may tell."
