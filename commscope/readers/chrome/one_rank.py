"""Kineto and Chrome JSON: takes the file of one rank, gives its RankTrace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from commscope.errors import UnreadableTrace
from commscope.readers.chrome.decode import decode
from commscope.readers.chrome.gaps import gaps_of
from commscope.readers.chrome.several_ranks import chosen_by
from commscope.readers.files.blocks import GZIP_MAGIC, Damage, blocks_of
from commscope.readers.files.claims import world_gaps
from commscope.readers.files.values import as_count, as_text
from commscope.readers.names.communication import groups_of, world_size_of
from commscope.schema import NO_VALUE, EventKind, Source
from commscope.trace import CommFacts, Events, Gap, ProcessGroup, RankPart, RankTrace, RunInfo

NAME = "kineto"


def sniff(path: Path, head: bytes) -> bool:
    """Whether a file may be Chrome JSON, by its name and first bytes."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    named = path.name.lower().endswith((".json", ".json.gz", ".gz"))
    return start in {b"{", b"["} or (head.startswith(GZIP_MAGIC) and named)


def read(part: RankPart, info: RunInfo) -> RankTrace:
    """One rank's trace. Raises UnreadableTrace where the file holds no trace."""
    damage = Damage()
    decoded = decode(blocks_of(part.path, damage), chosen_by(part.selector))
    if not decoded.is_trace:
        raise _not_a_trace(part.path, damage)
    facts = _Facts.of(decoded.meta)
    events = _resolve(_drop_false_links(decoded.events), facts.groups or info.groups, part.rank)
    lost = damage.truncated or damage.corrupt or damage.too_large
    counts = {**decoded.counts, "truncated": int(lost or decoded.counts["truncated"] > 0)}
    return RankTrace(
        rank=part.rank,
        events=events,
        source=Source.KINETO,
        backend=_backend(facts, events) or info.backend,
        world_size=facts.world_size or info.world_size,
        host=facts.host,
        groups=facts.groups or info.groups,
        devices=facts.devices,
        versions=facts.versions,
        gaps=(
            *gaps_of(part.rank, decoded, damage),
            *_several_devices(part.rank, events),
            *world_gaps(as_count(facts.distributed.get("world_size")), (part.rank,)),
        ),
        syncs=decoded.syncs,
        memory=decoded.memory,
        read_counts=counts,
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    """The top level of a trace."""

    distributed: dict[str, Any]
    groups: tuple[ProcessGroup, ...]
    world_size: int | None
    devices: tuple[str, ...]
    versions: dict[str, str]
    host: str | None

    @classmethod
    def of(cls, meta: dict[str, Any]) -> _Facts:
        found = meta.get("distributedInfo")
        distributed = found if isinstance(found, dict) else {}
        properties = meta.get("deviceProperties")
        rows = [row for row in properties if isinstance(row, dict)] if isinstance(properties, list) else []
        return cls(
            distributed=distributed,
            groups=groups_of(distributed),
            world_size=world_size_of(distributed),
            devices=tuple(str(row["name"]) for row in rows if "name" in row),
            versions=_versions(meta, distributed),
            host=as_text(meta.get("host_name")),
        )


def _versions(meta: dict[str, Any], distributed: dict[str, Any]) -> dict[str, str]:
    found = {
        "schema": as_text(meta.get("schemaVersion")),
        "torch": as_text(meta.get("pytorch_version")) or as_text(meta.get("torch_version")),
        "cuda_runtime": as_text(meta.get("cuda_runtime_version")),
        "cuda_driver": as_text(meta.get("cuda_driver_version")),
        "hip_runtime": as_text(meta.get("hip_runtime_version")),
        "hip_driver": as_text(meta.get("hip_driver_version")),
        "cupti": as_text(meta.get("cupti_version")),
        "roctracer": as_text(meta.get("roctracer_version")),
        "nccl": as_text(distributed.get("nccl_version")),
    }
    return {name: value for name, value in found.items() if value is not None}


_MARKS = {
    "nccl": ("nccl", "rccl"),
    "xccl": ("xccl:", "oneccl"),
    "hccl": ("hccl:",),
    "ucc": ("ucc:",),
    "mpi": ("mpi:",),
    "gloo": ("gloo:",),
}  # backend -> how names of its ranges and kernels begin


def _backend(facts: _Facts, events: Events) -> str | None:
    """What distributedInfo says, of several the one that names of ranges and kernels prove, gloo last; else
    what these prove alone.
    """
    text = (as_text(facts.distributed.get("backend")) or "").lower()
    said = [part.rpartition(":")[2].strip() for part in text.split(",") if part.strip()]
    is_amd = any(name.startswith(("hip_", "roctracer")) for name in facts.versions) or any(
        "AMD" in device for device in facts.devices
    )
    names = [name.lower() for name in events.names]
    used = [known for known, marks in _MARKS.items() if any(name.startswith(marks) for name in names)]
    others = [one for one in said if one != "gloo"]
    told = [one for one in said if one in used] or (others if "gloo" not in used else []) or said or used
    chosen = next((one for one in told if one != "gloo"), told[0] if told else None)
    return "rccl" if chosen == "nccl" and is_amd else chosen


def _drop_false_links(events: Events) -> Events:
    """Some Kineto versions write the correlation for an unknown op's id: that ties nothing."""
    is_op = events.is_kind(EventKind.OP, EventKind.ANNOTATION) & (events.external_id >= 0)
    suspect = ~events.is_kind(EventKind.OP, EventKind.ANNOTATION) & (events.external_id >= 0)
    suspect &= events.external_id == events.correlation
    if not suspect.any():
        return events
    order = np.argsort(events.external_id[is_op], kind="stable")
    ids = events.external_id[is_op][order]
    starts, ends = events.start_ns[is_op][order], events.end_ns[is_op][order]
    place = np.searchsorted(ids, events.external_id)
    place_in = np.minimum(place, max(len(ids) - 1, 0))
    proven = np.zeros(len(events), dtype=bool)
    if len(ids):
        proven = (ids[place_in] == events.external_id) & events.is_kind(EventKind.RUNTIME)
        proven &= (starts[place_in] <= events.start_ns) & (events.start_ns <= ends[place_in])
    external_id = np.where(suspect & ~proven, NO_VALUE, events.external_id)
    return replace(events, external_id=external_id)


def _resolve(events: Events, groups: tuple[ProcessGroup, ...], rank: int) -> Events:
    """Members of groups whose list was cut or absent, from pg_config by name or description."""
    named = {group.name: group for group in groups if group.ranks}

    def group_of(facts: CommFacts) -> ProcessGroup | None:
        if facts.group is None or facts.group in named:
            return named.get(facts.group or "")
        described = {group.ranks: group for group in groups if group.description == facts.group}
        mine = [group for ranks, group in described.items() if rank in ranks]
        return mine[0] if len(mine) == 1 else None

    def resolved(facts: CommFacts) -> CommFacts:
        group = group_of(facts)
        if group is None or facts.group_ranks is not None:
            return facts
        if facts.group_size not in {None, len(group.ranks)}:
            return facts
        return replace(facts, group_ranks=group.ranks, group_size=len(group.ranks))

    return replace(events, comms=tuple(resolved(facts) for facts in events.comms))


def _several_devices(rank: int, events: Events) -> tuple[Gap, ...]:
    """A rank drives one device: where there are more, ranks were merged, or one process drives all."""
    lanes = np.unique(events.lane_id[events.is_kind(EventKind.KERNEL)]).tolist()
    devices = {events.lanes[lane].device for lane in lanes}
    if len(devices) < 2:
        return ()
    return (
        Gap(
            "several_devices",
            f"kernels of {len(devices)} devices stand in the file of one rank and are counted together",
            (rank,),
            cost="what one device computes hides what another communicates",
            hint="record one file a rank; a merged file is split only where it names the ranks",
        ),
    )


def _not_a_trace(path: Path, damage: Damage) -> UnreadableTrace:
    if damage.plain_bytes == 0:
        what = "the file is damaged from its first bytes" if damage.corrupt else "the file is empty"
        return UnreadableTrace(what, where=str(path), hint="record again; a rank that dies leaves no trace")
    return UnreadableTrace(
        "not a trace: no list `traceEvents`",
        where=str(path),
        hint="expected what torch.profiler's export_chrome_trace writes",
    )
