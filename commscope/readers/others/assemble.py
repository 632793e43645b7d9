"""Activities of one rank -> RankTrace, and what such a file cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from commscope.readers.files.blocks import Damage
from commscope.readers.files.columns import Rows, Tables, assemble
from commscope.readers.others.told import Activity, Communicator, Member, OtherFormat, Told
from commscope.schema import EventKind
from commscope.trace import Gap, Int64, Lane, RankTrace, RunInfo


def assembled(
    one: OtherFormat, rank: int, told: Told, member: Member, info: RunInfo, damage: Damage
) -> RankTrace:
    """One rank's trace; places in communicators become world ranks where these are known."""
    listed = {group.name: group.ranks for group in info.groups}
    own = {found.name: found for found in member.communicators}
    activities = _apart([_in_world(item, own, listed) for item in member.activities])
    tables = Tables()
    part = Rows(
        start_ns=_numbers([item.start_ns for item in activities]),
        end_ns=_numbers([item.end_ns for item in activities]),
        kind=_numbers([int(item.kind) for item in activities]),
        name_id=_numbers([tables.name(item.name) for item in activities]),
        lane_id=_numbers([tables.lane(item.lane) for item in activities]),
        comm_id=_numbers([tables.comm(item.facts) for item in activities]),
    )
    events, _ = assemble([part], tables)
    lost = damage.truncated or damage.corrupt or damage.too_large
    return RankTrace(
        rank=rank,
        events=events,
        source=one.source,
        backend=told.backend or info.backend,
        world_size=info.world_size,
        host=told.host,
        groups=info.groups,
        versions=told.versions,
        gaps=(
            *(replace(gap, ranks=(rank,)) for gap in (*one.gaps, *told.gaps)),
            *_damage(rank, told, lost=lost),
        ),
        read_counts={
            "events": len(activities), "bad": told.bad, "salvaged": 0, "truncated": int(lost), "other": 0
        },
    )  # fmt: skip


def _apart(activities: list[Activity]) -> list[Activity]:
    """Calls of which only a moment is known stand one behind the other, 1 ns each, in the order told."""
    free_ns: dict[Lane, int] = {}
    found = []
    for item in activities:
        if item.kind != EventKind.OP or item.end_ns > item.start_ns:
            found.append(item)
            continue
        start_ns = max(item.start_ns, free_ns.get(item.lane, item.start_ns))
        free_ns[item.lane] = start_ns + 2
        found.append(replace(item, start_ns=start_ns, end_ns=start_ns + 1))
    return found


def _in_world(item: Activity, own: dict[str, Communicator], listed: dict[str, tuple[int, ...]]) -> Activity:
    """Source and destination, said as places in the communicator, as world ranks."""
    facts = item.facts
    if facts is None or facts.group is None or (facts.src is None and facts.dst is None):
        return item
    members = own[facts.group].members if facts.group in own else ()
    ranks = members or listed.get(facts.group, ())

    def world(place: int | None) -> int | None:
        return ranks[place] if place is not None and place < len(ranks) else None

    return replace(item, facts=replace(facts, src=world(facts.src), dst=world(facts.dst)))


def _damage(rank: int, told: Told, *, lost: bool) -> tuple[Gap, ...]:
    gaps = []
    if lost:
        gaps.append(Gap("truncated", "the file breaks off: what was recorded later is lost", (rank,)))
    if told.bad:
        gaps.append(
            Gap("bad_events", f"{told.bad} records were not understood and left out", (rank,), serious=True)
        )
    return tuple(gaps)


def _numbers(values: list[int]) -> Int64:
    return np.array(values, dtype=np.int64)
