"""Activities and late arrivals as plain documents for JSON."""

from __future__ import annotations

from typing import Any

from commscope.analysis.naming import activity_words, late_words
from commscope.analysis.result import Activity, LateArrival


def activity_document(activity: Activity, time_ns: int, **more: Any) -> dict[str, Any]:
    """One activity and its time; `words` is its name as the text has it."""
    return {
        "kind": activity.kind,
        "name": activity.name,
        "phase": activity.phase,
        "layer": activity.layer,
        "between": activity.between,
        "call": activity.call,
        "frame": activity.frame,
        "words": activity_words(activity),
        "time_ns": time_ns,
        **more,
    }


def late_document(one: LateArrival) -> dict[str, Any]:
    """One late arrival; `spent` is what the culprit spent longer on than the victim, `words` the sentence."""
    told = {name: getattr(one, name) for name in _PLAIN}
    spent = [activity_document(more.activity, more.time_ns, more_ns=more.more_ns) for more in one.spent]
    return {**told, "spent": spent, "words": late_words(one)}


_PLAIN = (
    "window",
    "instance",
    "collective",
    "phase",
    "layer",
    "place",
    "places",
    "culprit",
    "victim",
    "wait_ns",
    "victims",
    "total_wait_ns",
    "arrival_ns",
    "since_ns",
    "causes_ns",
)
