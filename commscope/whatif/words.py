"""Sentences about a replay.

Takes Scenario and Outcome, gives what is different, what it gains and where; takes Slowdown, gives what S is.
"""

from __future__ import annotations

from commscope.analysis.result import CriticalPath
from commscope.units import format_percent, format_ranks, format_time
from commscope.whatif.replay import Outcome
from commscope.whatif.scenario import Scenario
from commscope.whatif.slowdown import Slowdown

_EQUALIZED = {
    "compute": "with each rank's compute at its mean over ranks",
    "stage": "with stages that compute equally long",
    "all": "with everything at its mean over ranks",
}

WORTH_TELLING = 1.01
MOST_NAMED = 4

Place = tuple[int, str, str | None, str | None]  # rank, kind, phase, collective


def scenario_words(scenario: Scenario) -> str:
    """`Without stragglers and with compute@rank 3 x 0.8`."""
    words = ["without stragglers"] * scenario.no_stragglers
    words += [f"without the delays of {format_ranks(scenario.stragglers)}"] * bool(scenario.stragglers)
    words += [_EQUALIZED[scenario.equalize]] if scenario.equalize else []
    words += ["with transfers that take no time"] * scenario.comm_free
    if scenario.bandwidth != 1:
        words.append(f"with bandwidth x {scenario.bandwidth:g}")
    if scenario.latency != 1:
        words.append(f"with latency x {scenario.latency:g}")
    for scale in scenario.scales:
        of = "" if scale.rank is None else f" of rank {scale.rank}"
        words.append(f"with {scale.what}{of} x {scale.factor:g}")
    told = " and ".join(words) or "as it was"
    return told[0].upper() + told[1:]


def outcome_words(outcome: Outcome, scenario: Scenario) -> str:
    """The scenario, the time it gains or costs, and the place on the path where most of that is."""
    said, before, after = scenario_words(scenario), outcome.before_ns, outcome.after_ns
    if after == before:
        return f"{said}, {outcome.window} would take as long as before: {format_time(before)}."
    change = format_percent(outcome.ratio - 1, signed=True)
    times = f"{format_time(after)} instead of {format_time(before)} ({change})"
    told = f"{said}, {outcome.window} would take {times}"
    place, moved_ns = _most_moved(outcome)
    if moved_ns == 0:
        return f"{told}."
    less = "less" if after < before else "more"
    return f"{told}: {format_time(moved_ns)} {less} {_place_words(place)} on the critical path."


def _most_moved(outcome: Outcome) -> tuple[Place, int]:
    """Where the path lost most (or won most, if it is longer), and how much."""
    sign = 1 if outcome.after_ns < outcome.before_ns else -1
    old, new = _by_place(outcome.before), _by_place(outcome.after)
    moved = {place: sign * (old.get(place, 0) - new.get(place, 0)) for place in (*old, *new)}
    place = max(moved, key=lambda one: moved[one])
    return place, max(0, moved[place])


def _by_place(path: CriticalPath) -> dict[Place, int]:
    """Time on a path by place."""
    total: dict[Place, int] = {}
    for part in path.parts:
        place = (part.rank, part.kind, part.phase, part.collective)
        total[place] = total.get(place, 0) + part.end_ns - part.start_ns
    return total


def _place_words(place: Place) -> str:
    rank, kind, phase, collective = place
    kind = f"{kind} time" if kind in ("host", "idle") else kind
    of = f" of {collective}" if collective else ""
    during = f" in {phase}" if phase else ""
    return f"{kind}{of} on rank {rank}{during}"


def slowdown_words(slow: Slowdown) -> str:
    """`S = 1.31: the run takes 1.31 times as long as ...; what alone costs most: host 1.30, rank 3 1.29.`"""
    if slow.ratio < WORTH_TELLING:
        return f"S = {slow.ratio:.2f}: the run would be no faster if its ranks shared alike."
    told = f"S = {slow.ratio:.2f}: the run takes {slow.ratio:.2f} times as long as if its ranks shared alike"
    named = [*slow.by_kind.items(), *((f"rank {rank}", s) for rank, s in slow.by_rank.items())]
    named += [(f"stage {stage}", s) for stage, s in slow.by_stage.items()]
    worst = sorted((one for one in named if one[1] >= WORTH_TELLING), key=lambda one: -one[1])[:MOST_NAMED]
    alone = ", ".join(f"{name} {s:.2f}" for name, s in worst)
    return f"{told}; what alone costs most: {alone}." if alone else f"{told}."
