"""The flight recorder of c10d (and torchcomms): the last calls of a rank, as pickle or JSON -> Told.

Calls, groups, sequence numbers, shapes and dtypes are exact; when work ran is known to the watchdog's polling
only, so times are not taken. Source: torch/csrc/distributed/c10d/FlightRecorder.hpp, versions 2.x.
"""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from commscope.errors import UnreadableTrace
from commscope.readers.files.blocks import Damage, whole
from commscope.readers.files.values import NOT_JSON, as_count, as_ints, as_text
from commscope.readers.names.communication import PARAM_COMMS
from commscope.readers.names.dtypes import canonical_dtype
from commscope.readers.others.plain_pickle import NotPlain, plain_values
from commscope.readers.others.told import Activity, Communicator, Member, OtherFormat, Told
from commscope.schema import EventKind, Source
from commscope.trace import CommFacts, Gap, Lane

_LARGEST_BYTES = 1 << 30
_SPOKEN = re.compile(r"(\w+):(\w+)(?:\s+(\d{1,9})(->|<-)(\d{1,9}))?")
_KEYS = (b"pg_config", b"entries", b"nccl_version", b"comm_lib_version")


def sniff(path: Path, head: bytes) -> bool:
    """Whether the first bytes are those of a dump."""
    del path
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"\x80"):
        return any(key in head for key in _KEYS)
    first = re.match(rb'\{\s*"(\w+)"', start)
    known = {b"comm_lib_version", b"nccl_version", b"pg_config", b"pg_status", b"entries", b"nccl_comm_state"}
    return first is not None and first.group(1) in known and b"traceEvents" not in head


def tell(path: Path, damage: Damage) -> Told:
    """The calls of one rank. Raises UnreadableTrace where the dump cannot be read whole."""
    said = _decoded(path, damage)
    entries = said.get("entries")
    if not isinstance(entries, list):
        raise UnreadableTrace(
            "a dump of the flight recorder without entries",
            where=str(path),
            hint="dump with entries: torch._C._distributed_c10d._dump_nccl_trace()",
        )
    config = _groups(said.get("pg_config"))
    found = [_activity(one, config) for one in entries]
    activities = tuple(one for one in found if one is not None)
    names = {one.facts.group for one in activities if one.facts is not None}
    communicators = tuple(
        Communicator(name, len(config[name][1]), None, config[name][0], config[name][1])
        for name in sorted(str(name) for name in names if name is not None)
        if name in config
    )
    version = as_text(said.get("nccl_version")) or as_text(said.get("comm_lib_version"))
    first = as_count(entries[0].get("record_id")) if entries and isinstance(entries[0], dict) else 0
    return Told(
        members=(Member("", activities, communicators),),
        backend=next((one.name.partition(":")[0] for one in _spoken(entries)), None),
        bad=len(found) - len(activities),
        gaps=_overwritten(first or 0),
        versions={"nccl": version} if version else {},
    )


def _decoded(path: Path, damage: Damage) -> dict[str, Any]:
    text = whole(path, damage, _LARGEST_BYTES)
    if text is None:
        raise _refused(path, "it is larger than 1 GiB")
    try:
        said = plain_values(text) if text[:1] == b"\x80" else msgspec.json.decode(text)
    except NotPlain as error:
        raise _refused(path, str(error)) from error
    except NOT_JSON as error:
        raise _refused(path, "it breaks off or is damaged") from error
    if not isinstance(said, dict):
        raise _refused(path, "it holds no dict")
    return said


def _refused(path: Path, why: str) -> UnreadableTrace:
    return UnreadableTrace(
        f"a dump of the flight recorder that cannot be read: {why}", where=str(path), hint="dump it again"
    )


def _groups(config: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Description and members by name; some backends leave the name of the default group empty."""
    rows = [row for row in config.values() if isinstance(row, dict)] if isinstance(config, dict) else []
    found = {}
    for row in rows:
        members = as_ints(row.get("ranks"))
        if members and len(set(members)) == len(members) and min(members) >= 0:
            name = as_text(row.get("name")) or "0"
            found[name] = (as_text(row.get("desc")) or "default_pg", members)
    return found


def _activity(entry: Any, config: dict[str, tuple[str, tuple[int, ...]]]) -> Activity | None:
    """A call at the time it was made."""
    if not isinstance(entry, dict):
        return None
    spoken = _SPOKEN.fullmatch(as_text(entry.get("profiling_name")) or "")
    at_ns = as_count(entry.get("time_created_ns"))
    if spoken is None or at_ns is None or at_ns >= 2**61:
        return None
    group, description = _group(entry)
    kind = spoken.group(2)
    is_p2p = bool(entry.get("is_p2p")) or kind in {"send", "recv"}
    mine, arrow, other = (spoken.group(n) for n in (3, 4, 5))
    places = (int(mine), int(other)) if mine is not None else (None, None)
    src, dst = places if arrow != "<-" else places[::-1]
    facts = CommFacts(
        collective=kind,
        in_elements=_elements(entry.get("input_sizes")),
        out_elements=_elements(entry.get("output_sizes")),
        dtype=_dtype(entry),
        group=group,
        group_description=description,
        group_size=len(config[group][1]) if group in config else None,
        group_ranks=config[group][1] if group in config else None,
        seq=None if is_p2p else as_count(entry.get("collective_seq_id", entry.get("seq_id"))),
        src=src,
        dst=dst,
    )
    thread = as_text(entry.get("thread_id")) or "0"
    return Activity(EventKind.OP, PARAM_COMMS, at_ns, at_ns, Lane("0", thread), facts)


def _group(entry: dict[str, Any]) -> tuple[str | None, str | None]:
    said = entry.get("process_group")
    if isinstance(said, list | tuple) and said:
        described = as_text(said[1]) if len(said) > 1 else None
        return as_text(said[0]) or "0", described
    return None, None


def _elements(shapes: Any) -> int | None:
    """Elements of all tensors of a call."""
    if not isinstance(shapes, list | tuple) or not shapes:
        return None
    sizes = [as_ints(shape) for shape in shapes]
    if any(size is None or any(length < 0 for length in size) for size in sizes):
        return None
    total = sum(prod(size) for size in sizes if size is not None)
    return total if total < 2**62 else None


def _dtype(entry: dict[str, Any]) -> str | None:
    for key in ("input_dtypes", "output_dtypes"):
        said = entry.get(key)
        if isinstance(said, list | tuple) and said and len(set(map(str, said))) == 1:
            return canonical_dtype(str(said[0])) or None
    return None


def _spoken(entries: list[Any]) -> list[Activity]:
    """Names as recorded, for the backend in front of them."""
    return [
        Activity(EventKind.OP, name, 0, 0, Lane("0", "0"))
        for entry in entries[:64]
        if isinstance(entry, dict) and ":" in (name := as_text(entry.get("profiling_name")) or "")
    ]


def _overwritten(first: int) -> tuple[Gap, ...]:
    if not first:
        return ()
    return (
        Gap("bad_events", f"the ring overwrote {first} earlier calls", cost="counts and bytes are too small",
            hint="a larger TORCH_FR_BUFFER_SIZE keeps more"),
    )  # fmt: skip


FORMAT = OtherFormat(
    "flight_recorder",
    "c10d flight recorder",
    Source.FLIGHT_RECORDER,
    sniff,
    tell,
    gaps=(
        Gap("communication_only", "a flight recorder's dump tells calls, not when their work ran",
            cost="no times: counts, bytes and groups only",
            hint="commscope record, or torch.profiler, records the rest as well"),
    ),
)  # fmt: skip
