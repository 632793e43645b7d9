"""run.json: facts of all ranks -> one manifest of schema `commscope.run/1`, written last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from commscope.record.handover.facts import RankError, RankFacts
from commscope.record.handover.load import OtherLoad, other_load
from commscope.record.handover.request import MANIFEST, RecordRequest, encode
from commscope.schema import RUN_SCHEMA
from commscope.trace import Gap, ProcessGroup
from commscope.whole import write_whole


def manifest(
    request: RecordRequest, facts: Sequence[RankFacts], errors: Sequence[RankError] = ()
) -> dict[str, Any]:
    """The manifest; complete when every rank of the run finished."""
    complete = len(facts) == request.world_size and all(rank.complete for rank in facts) and not errors
    first = facts[0] if facts else None
    load = other_load((rank.host.get("name", ""), rank.cpu) for rank in facts)
    no_links = not facts or any(gap.code == "no_links" for rank in facts for gap in rank.gaps)
    return {
        "schema": RUN_SCHEMA,
        "name": request.place.name,
        "complete": complete,
        "workload": (first.workload if first else None) or request.workload,
        "backend": first.backend if first else None,
        "world_size": first.world_size if first else request.world_size,
        "layout": None if request.script else request.layout,
        "model": None if request.script else request.model,
        "seed": request.seed,
        "groups": _groups(facts),
        "versions": first.versions if first else {},
        "host": {**first.host, **_told(load)} if first else {},
        "hosts": {str(rank.rank): rank.host.get("name", "") for rank in facts},
        "devices": [rank.device for rank in facts],
        "links": None if no_links else [row for rank in facts for row in rank.links],
        "command": request.command,
        "step_times": [row for rank in facts for row in rank.step_times],
        "memory": [row for rank in facts for row in rank.memory],
        "ledger": [row for rank in facts for row in rank.ledger],
        "losses": first.losses if first else (),
        "sent_bytes": {str(rank.rank): rank.sent_bytes for rank in facts if rank.sent_bytes is not None},
        "clocks": {str(rank.rank): rank.clock for rank in facts},
        "gaps": [*_gaps(facts), *_no_load(load)],
        "errors": list(errors),
        "saved": [row for rank in facts for row in rank.saved],
    }


def write_manifest(
    request: RecordRequest, facts: Sequence[RankFacts], errors: Sequence[RankError] = ()
) -> None:
    """Write run.json: its presence with `complete` true means the folder is whole."""
    write_whole(request.output / MANIFEST, encode(manifest(request, facts, errors)))


def _told(load: OtherLoad | str) -> dict[str, float]:
    """Cores that were busy with other programs, and of how many."""
    if isinstance(load, str):
        return {}
    return {"other_load_cores": load.busy_cores, "other_load_of_cores": load.cores}


def _no_load(load: OtherLoad | str) -> tuple[Gap, ...]:
    if isinstance(load, OtherLoad):
        return ()
    what = f"how busy other programs kept the machine is not known: {load}"
    return (Gap("no_other_load", what, serious=False),)


def _groups(facts: Sequence[RankFacts]) -> list[ProcessGroup]:
    """Each process group once, though all its members tell of it."""
    seen = {(group.name, group.ranks): group for rank in facts for group in rank.groups}
    return [seen[key] for key in sorted(seen)]


def _gaps(facts: Sequence[RankFacts]) -> list[Gap]:
    """Each gap once, with all the ranks that have it."""
    ranks: dict[Gap, set[int]] = {}
    for rank in facts:
        for gap in rank.gaps:
            ranks.setdefault(replace(gap, ranks=()), set()).update(gap.ranks)
    return [replace(gap, ranks=tuple(sorted(found))) for gap, found in ranks.items()]


def serious_gaps(output: Path) -> tuple[Gap, ...]:
    """What the user should know at once of the run that was just recorded."""
    told = msgspec.json.decode((output / MANIFEST).read_bytes()).get("gaps", [])
    return tuple(gap for gap in msgspec.convert(told, tuple[Gap, ...]) if gap.serious)
