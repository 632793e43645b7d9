"""NCCL Inspector: a line of JSON for each collective that a process has finished -> Told.

Written by the profiler plugin of that name (NCCL, plugins/profiler/inspector). Until version 4.2 every line
carries header and metadata; since 4.3 a marker line carries them for the lines that follow. With
NCCL_INSPECTOR_DUMP_VERBOSE=1 a record says when each channel's kernel started and stopped, in us of the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from commscope.errors import UnreadableTrace
from commscope.readers.files.blocks import Damage, blocks_of
from commscope.readers.files.values import NOT_JSON, as_count, as_int, as_text
from commscope.readers.others.operation import ends_of, operation
from commscope.readers.others.told import Activity, Communicator, Member, OtherFormat, Told
from commscope.schema import Source
from commscope.trace import CommFacts, Gap, Lane

_LONGEST_LINE = 4 << 20
_US = 1_000


def sniff(path: Path, head: bytes) -> bool:
    """Whether the first line is one of Inspector's."""
    del path
    line = head.lstrip(b"\xef\xbb\xbf \t\r\n").partition(b"\n")[0]
    return line.startswith(b"{") and b'"header"' in line and b'"metadata"' in line


def tell(path: Path, damage: Damage) -> Told:
    """All records of a file. Raises UnreadableTrace where there is none."""
    lines = _Lines()
    for line in _lines(path, damage):
        lines.take(line)
    if not lines.calls:
        raise UnreadableTrace(
            "a log of NCCL Inspector without a finished collective",
            where=str(path),
            hint="messages below NCCL_INSPECTOR_DUMP_MIN_SIZE_BYTES are not logged",
        )
    return lines.told()


@dataclass(frozen=True, slots=True)
class _Call:
    """One finished operation, with the communicator and place that its header names."""

    communicator: Communicator
    activity: Activity


class _Lines:
    """State of reading one file."""

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.calls: list[_Call] = []
        self.bad = self.dropped = self.untimed = 0

    def take(self, line: bytes) -> None:
        """One line: a marker, an operation, or neither."""
        try:
            said = msgspec.json.decode(line)
        except NOT_JSON:
            said = None
        if not isinstance(said, dict):
            self.bad += 1
            return
        if isinstance(said.get("header"), dict):
            self.header = said["header"]
            metadata = said.get("metadata")
            self.metadata = metadata if isinstance(metadata, dict) else self.metadata
        stats = said.get("dump_stats")
        if isinstance(stats, dict):
            self.dropped += as_count(stats.get("coll_dropped_since_last_dump")) or 0
            self.dropped += as_count(stats.get("p2p_dropped_since_last_dump")) or 0
        for key in ("coll", "p2p"):
            perf = said.get(f"{key}_perf")
            if isinstance(perf, dict):
                self._operation(key, perf)

    def _operation(self, key: str, perf: dict[str, Any]) -> None:
        name = as_text(perf.get(key))
        communicator = _communicator(self.header)
        if name is None or communicator is None:
            self.bad += 1
            return
        facts = _facts(key, name, perf, communicator)
        lane = Lane(str(as_count(self.metadata.get("pid")) or 0), communicator.name, 0, 0, communicator.name)
        words = (name, *(str(perf[k]) for k in ("coll_algo", "coll_proto") if as_text(perf.get(k))))
        kernels_ns = _kernel_times_ns(perf)
        at_ns = (as_count(self.metadata.get("dump_timestamp_us")) or 0) * _US
        self.untimed += kernels_ns is None
        self.calls.append(_Call(communicator, operation(words, lane, facts, kernels_ns, (at_ns, at_ns))))

    def told(self) -> Told:
        """Ranks: one a file, or one a place where the process drives several devices."""
        places: dict[str, set[int]] = {}
        for call in self.calls:
            assert call.communicator.place is not None
            places.setdefault(call.communicator.name, set()).add(call.communicator.place)
        several = max((sorted(held) for held in places.values()), key=len)
        members = (
            [_member("", self.calls)]
            if len(several) == 1
            else [
                _member(str(place), [call for call in self.calls if call.communicator.place == place])
                for place in several
            ]
        )
        return Told(
            members=tuple(members),
            host=as_text(self.metadata.get("hostname")),
            backend="nccl",
            bad=self.bad,
            gaps=_gaps(self.dropped, self.untimed),
        )


def _member(selector: str, calls: list[_Call]) -> Member:
    communicators = {call.communicator.name: call.communicator for call in calls}
    return Member(selector, tuple(call.activity for call in calls), tuple(communicators.values()))


def _communicator(header: dict[str, Any]) -> Communicator | None:
    name, place, size = (
        as_text(header.get("id")),
        as_count(header.get("rank")),
        as_count(header.get("n_ranks")),
    )
    if name is None or place is None or not size or place >= size:
        return None
    said = as_text(header.get("comm_name")) or ""
    return Communicator(name, size, place, "" if said == "unknown" else said)


def _facts(key: str, name: str, perf: dict[str, Any], one: Communicator) -> CommFacts:
    """Sizes as NCCL counts them: the shard for all_gather and reduce_scatter."""
    peer = as_count(perf.get("p2p_peer"))
    src, dst = (None, None) if key == "coll" else ends_of(name, one.place, peer)
    return CommFacts(
        collective=name,
        group=one.name,
        group_description=one.description or None,
        group_size=one.size,
        seq=as_count(perf.get("coll_sn")) if key == "coll" else None,
        src=src,
        dst=dst,
        message_bytes=as_count(perf.get(f"{key}_msg_size_bytes")),
    )


def _kernel_times_ns(perf: dict[str, Any]) -> tuple[int, int] | None:
    """From the first channel's start to the last one's stop."""
    trace = perf.get("event_trace_ts")
    channels = trace.get("kernel_events") if isinstance(trace, dict) else None
    if not isinstance(channels, list):
        return None
    told = [one for one in channels if isinstance(one, dict)]
    starts = [time for one in told if (time := as_int(one.get("kernel_start_ts")))]
    stops = [time for one in told if (time := as_int(one.get("kernel_stop_ts")))]
    if not starts or not stops or min(starts) < 0 or max(stops) >= 2**61 // _US or max(stops) < min(starts):
        return None
    return min(starts) * _US, max(stops) * _US


def _gaps(dropped: int, untimed: int) -> tuple[Gap, ...]:
    gaps = []
    if dropped:
        gaps.append(
            Gap("bad_events", f"Inspector dropped {dropped} operations before it wrote them",
                cost="counts and bytes are too small",
                hint="a larger NCCL_INSPECTOR_DUMP_COLL_RING_SIZE, or a shorter dump interval")
        )  # fmt: skip
    if untimed:
        gaps.append(
            Gap("no_event_times", f"{untimed} operations do not say when they started",
                cost="no waits: only counts and bytes",
                hint="log with NCCL_INSPECTOR_DUMP_VERBOSE=1")
        )  # fmt: skip
    return tuple(gaps)


def _lines(path: Path, damage: Damage) -> Iterator[bytes]:
    """Lines that are not blank; the last one, where it breaks off, is damage."""
    rest = b""
    for block in blocks_of(path, damage):
        *whole, rest = (rest + block).split(b"\n")
        yield from (line for line in whole if line.strip())
        if len(rest) > _LONGEST_LINE:
            damage.corrupt = True
            return
    if not rest.strip():
        return
    try:
        msgspec.json.decode(rest)
    except NOT_JSON:
        damage.truncated = True
        return
    yield rest


FORMAT = OtherFormat(
    "nccl_inspector",
    "NCCL Inspector",
    Source.NCCL_INSPECTOR,
    sniff,
    tell,
    gaps=(
        Gap("communication_only", "NCCL Inspector records communication only",
            cost="compute, copies and idle time cannot be told, nor a critical path",
            hint="commscope record, or torch.profiler, records the rest as well"),
        Gap("small_messages", "messages below NCCL_INSPECTOR_DUMP_MIN_SIZE_BYTES (8 KiB) are not logged",
            serious=False),
    ),
)  # fmt: skip
