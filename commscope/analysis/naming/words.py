"""Names in words: activities, places and late arrivals -> short phrases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from commscope.analysis.result import Activity, Cause, LateArrival, Spent
from commscope.units import format_time

LONGEST = 60
LEAST_SHARE = 0.05  # of a stall: causes below it are not worth a word
WORTH = 0.1  # of a wait: less is not worth a word
CAUSE_WORDS = {"host_bound": "host-bound time", "idle": "idle time", "recompute": "recomputing"}
_OTHER_CAUSES = {"wait": "waiting for others", "transfer": "longer transfers"}


def short_name(name: str) -> str:
    """A name of a kernel without its return type, cut where it is long."""
    name = name.removeprefix("void ")
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def place_words(phase: str | None, layer: int | None) -> str:
    """` in forward of layer 2`; empty where neither is told."""
    if phase is None and layer is None:
        return ""
    if phase is None:
        return f" in layer {layer}"
    return f" in {phase}" if layer is None else f" in {phase} of layer {layer}"


def activity_words(activity: Activity) -> str:
    """`aten::item (cudaStreamSynchronize)`, `no operator: Python between aten::add and aten::mm`."""
    if activity.is_python:
        words = "no operator: Python" + _inside(activity.name) + _between(activity.between)
    else:
        words = short_name(activity.name or "not named")
    call = f" ({short_name(activity.call)})" if activity.call else ""
    frame = f", {short_name(activity.frame)}" if activity.frame else ""
    return words + call + frame


def _inside(name: str | None) -> str:
    return f" in {short_name(name)}" if name else ""


def _between(between: tuple[str | None, str | None] | None) -> str:
    if between is None:
        return ""
    before, after = (short_name(one) if one else None for one in between)
    if before and after:
        return f" between {before} and {after}"
    return f" after {before}" if before else f" before {after}"


def spent_words(spent: Spent, most: int = 3) -> str:
    """`aten::mm 3.1 ms in forward, aten::add 1 ms in backward`."""
    return ", ".join(_timed(one, ns) for one, ns in spent[:most])


def _timed(activity: Activity, time_ns: int, place: tuple[str | None, int | None] = (None, None)) -> str:
    """An activity and its time; where, unless that is said already."""
    own = (activity.phase, activity.layer)
    where = "" if own == place else place_words(*own)
    return f"{activity_words(activity)} {format_time(time_ns)}{where}"


def named_cause_words(causes: Iterable[Cause], most: int = 3) -> str:
    """`aten::matmul in forward 42 ms, aten::empty in forward 24 ms`; empty where nothing is named."""
    total: Counter[tuple[str, str | None, int | None]] = Counter()
    whole_ns = 0
    for one in causes:
        whole_ns += one.time_ns
        if one.name is not None:
            total[one.name, one.phase, one.layer] += one.time_ns
    return ", ".join(
        f"{short_name(name)}{place_words(phase, layer)} {format_time(ns)}"
        for (name, phase, layer), ns in total.most_common(most)
        if ns >= LEAST_SHARE * whole_ns
    )


def late_words(one: LateArrival, most: int = 2) -> str:
    """`rank 0 was late to all_reduce 7 of 84 in forward of layer 3 by 41 ms: aten::item 38 ms longer`."""
    where = place_words(one.phase, one.layer)
    which = f"{one.collective} {one.place} of {one.places}" if one.places > 1 else one.collective
    said = f"rank {one.culprit} was late to {which}{where} by {format_time(one.wait_ns)}"
    place = (one.phase, one.layer)
    why = [
        _timed(more.activity, more.more_ns, place)
        for more in one.spent[:most]
        if more.more_ns >= WORTH * one.wait_ns
    ]
    why += [
        f"{words} {format_time(one.causes_ns[cause])}"
        for cause, words in _OTHER_CAUSES.items()
        if one.causes_ns.get(cause, 0) >= WORTH * one.wait_ns
    ]
    if not why or 2 * one.causes_ns.get("unknown", 0) > one.wait_ns:
        why = [unknown_words(one), *why]
    return f"{said}: {', '.join(why)}"


def unknown_words(one: LateArrival) -> str:
    """Why nothing is named, and what would name it."""
    if one.is_first:
        return (
            f"begun before rank {one.victim} and it were both recorded (a capture from a step earlier tells)"
        )
    if one.causes_ns.get("unknown", 0) == one.wait_ns:
        return "nothing recorded took longer on it; record with_stack=True to see its Python"
    cause = max(one.causes_ns, key=one.causes_ns.__getitem__)
    words = CAUSE_WORDS.get(cause, cause)
    longest = [_timed(more.activity, more.more_ns, (one.phase, one.layer)) for more in one.spent[:1]]
    among = f", the longest {longest[0]}" if longest else ""
    return f"{format_time(one.causes_ns[cause])} more {words} in many short pieces{among}"
