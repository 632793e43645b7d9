"""The culprit of a slower step in words: two sides -> the rank that the others wait for, or the part that
grew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from commscope.check.rows.why import Context, change_words, layout_words, moved_changes
from commscope.check.samples.own_time import OWN_PARTS, STRAGGLER
from commscope.check.samples.sides import Sides, middle
from commscope.check.samples.snapshot import EXPOSED_PARTS, PARTS, UNTOLD
from commscope.compare.measures.timed import EXPOSED
from commscope.units import format_time

CULPRIT_SHARE = 0.5  # of the step's growth: waits for one rank that make it the culprit
SMALLEST_PART = 0.1
OVERLAPPED = "communication.overlapped"
_EXPOSED = "exposed"  # transfer, wait and what is not told as one, where one side does not tell them apart
_PART_WORDS = {
    "compute": "compute",
    "exposed_transfer": "exposed transfer",
    "exposed_wait": "exposed wait",
    _EXPOSED: "exposed communication",
    "copy": "time of copies",
    "idle": "idle or host-bound time",
}


def why_slower(metric: str, context: Context) -> str:
    """The rank the others waited for and what it did meanwhile, else the part of the step that grew."""
    if metric.startswith(("transfer.time", "memory.")):
        return "; ".join(layout_words(context.differences))
    overlap = _overlap_words(context.sides)
    if metric == OVERLAPPED:
        return "; ".join([overlap, *layout_words(context.differences)])
    before, after = _parts_alike(context.sides)
    step = _growth(*({r: sum(parts.values()) for r, parts in side.items()} for side in (before, after)))
    slower = max(step.values(), default=0.0)
    words = [_late_rank(context.sides, slower) or _grown_part(context.sides, slower)]
    if _is_overlap_lost(context.sides, slower):
        words.append(overlap)
    changes = moved_changes(context.sides)
    if changes:
        words.append(change_words(changes[0]))
    return "; ".join([word for word in words if word] + layout_words(context.differences))


def _is_overlap_lost(sides: Sides, slower: float) -> bool:
    """Whether compute hides so much less than before that it explains half of the step's growth."""
    before, after = _pair(sides, OVERLAPPED)
    return slower > 0 and before - after >= CULPRIT_SHARE * slower


def _overlap_words(sides: Sides) -> str:
    """What compute hid before and after, and the collective that stands exposed since."""
    told = f"compute hides {_times(*_pair(sides, OVERLAPPED))} of communication a step"
    exposed = {name: _pair(sides, name) for name in sides.metrics() if name.startswith(f"{EXPOSED}/")}
    most = max(exposed, key=lambda name: exposed[name][1] - exposed[name][0], default="")
    if not most or exposed[most][1] <= exposed[most][0]:
        return told
    _, collective, phase = most.split("/")
    return f"{told}; {collective} in {phase} exposed {_times(*exposed[most])}"


def _pair(sides: Sides, metric: str) -> tuple[float, float]:
    return (middle(sides.baseline, metric) or 0.0, middle(sides.candidate, metric) or 0.0)


def _times(before: float, after: float) -> str:
    return f"{format_time(before)} → {format_time(after)}"


def why_straggler(rank: int, metric: str, context: Context) -> str:
    """What the rank does longer than before, and how long the others wait for it."""
    before, after = (side.get(rank, {}) for side in _parts_alike(context.sides))
    named = metric.removeprefix(f"{STRAGGLER}/")
    growth = {part: after[part] - before[part] for part in OWN_PARTS if part in before and part in after}
    part = named if named in growth else max(growth, key=lambda name: growth[name], default=None)
    if part is None:
        return f"rank {rank} holds the others up"
    times = f"{format_time(before[part])} → {format_time(after[part])} a step"
    told = f"rank {rank} holds the others up: its {_PART_WORDS[part]} grew, {times}"
    caused = [each.get(rank, 0.0) for each in _caused(context.sides)]
    if caused[1] <= caused[0]:
        return told
    return f"{told}; the others wait {format_time(caused[0])} → {format_time(caused[1])} a step for it"


def _parts_alike(sides: Sides) -> tuple[dict[int, dict[str, float]], dict[int, dict[str, float]]]:
    """Before and after: each rank's parts of the step, median over runs; both sides have the same parts."""
    runs = (*sides.baseline, *sides.candidate)
    is_split = not any(UNTOLD in parts for run in runs for parts in run.rank_parts_ns.values())
    before, after = (
        {
            rank: _medians(
                [_named(run.rank_parts_ns[rank], is_split) for run in side if run.rank_parts_ns.get(rank)]
            )
            for rank in sorted({rank for run in side for rank, parts in run.rank_parts_ns.items() if parts})
        }
        for side in (sides.baseline, sides.candidate)
    )
    return before, after


def _named(parts: Mapping[str, float], is_split: bool) -> dict[str, float]:
    """The parts of one run; exposed time is one part where not all runs split it."""
    if is_split:
        return {part: value for part, value in parts.items() if part in PARTS}
    exposed = sum(parts.get(part, 0.0) for part in EXPOSED_PARTS)
    return {_EXPOSED: exposed, **{part: value for part, value in parts.items() if part not in EXPOSED_PARTS}}


def _medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each part that all runs tell."""
    return {part: median([run[part] for run in runs]) for part in runs[0] if all(part in run for run in runs)}


def _growth(before: Mapping[int, float], after: Mapping[int, float]) -> dict[int, float]:
    return {rank: value - before[rank] for rank, value in after.items() if rank in before}


def _caused(sides: Sides) -> tuple[dict[int, float], dict[int, float]]:
    """Before and after: how long the others wait for each rank, median over runs."""
    before, after = (
        {rank: median([run.caused_wait_ns.get(rank, 0.0) for run in runs]) for rank in runs[0].ranks}
        for runs in (sides.baseline, sides.candidate)
    )
    return before, after


def _late_rank(sides: Sides, slower: float) -> str:
    """The rank for which waits grew, where they explain the growth of the step."""
    caused = _caused(sides)
    growth = _growth(*caused)
    culprit = max(growth, key=lambda rank: (growth[rank], -rank), default=None)
    victims = max(len(growth) - 1, 1)
    if culprit is None or growth[culprit] / victims < CULPRIT_SHARE * slower or growth[culprit] <= 0:
        return ""
    waits = f"{format_time(caused[0][culprit])} → {format_time(caused[1][culprit])}"
    before, after = (side.get(culprit, {}) for side in _parts_alike(sides))
    own = {
        part: after[part] - before[part]
        for part in after
        if part in before and part not in ("exposed_wait", _EXPOSED)
    }
    part = max(own, key=lambda name: own[name], default=None)
    spent = (
        f", which spent {format_time(own[part])} more in {_PART_WORDS[part]}"
        if part and own[part] > 0
        else ""
    )
    return f"rank {culprit} comes late{spent}: the others wait {waits} a step for it"


def _grown_part(sides: Sides, slower: float) -> str:
    before, after = _parts_alike(sides)
    totals: dict[str, dict[int, float]] = {}
    for rank in sorted({*before} & {*after}):
        for name, value in before[rank].items():
            if name in after[rank]:
                totals.setdefault(name, {})[rank] = after[rank][name] - value
    part = max(totals, key=lambda name: sum(totals[name].values()), default=None)
    if part is None or max(totals[part].values()) <= SMALLEST_PART * slower:
        return ""
    rank = max(totals[part], key=lambda r: totals[part][r])
    return f"{_PART_WORDS[part]} grew most, by {format_time(totals[part][rank])} a step on rank {rank}"
