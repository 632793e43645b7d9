"""The trace of NCCL's example profiler plugin: begin and end events, nested as they are written -> Told.

`COLL` and `P2P` events say communicator, rank, count and dtype; the `GPU` events inside them, one a channel,
say when its kernel began and ended, in us since the plugin started. Source: NCCL,
plugins/profiler/example/print_event.cc.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commscope.errors import UnreadableTrace
from commscope.readers.files.blocks import Damage
from commscope.readers.files.values import as_count, as_text
from commscope.readers.names.dtypes import canonical_dtype
from commscope.readers.others.chrome_list import arguments_of, events_of, time_ns
from commscope.readers.others.operation import ends_of, operation
from commscope.readers.others.told import Activity, Communicator, Member, OtherFormat, Told
from commscope.schema import Source
from commscope.trace import CommFacts, Gap, Lane

_CALLS = ("COLL", "P2P")
_SHARDED = ("allgather", "reducescatter")


def sniff(path: Path, head: bytes) -> bool:
    """Whether the first events are of the categories this plugin alone writes."""
    del path
    marks = (b'"cat": "GROUP_API"', b'"cat": "GROUP"', b'"cat": "COLL', b'"cat": "P2P')
    return head.lstrip()[:1] == b"[" and any(mark in head for mark in marks) and b'"ph": "b"' in head


def tell(path: Path, damage: Damage) -> Told:
    """All collectives of a process. Raises UnreadableTrace where there is none."""
    state = _Nested()
    for event in events_of(path, damage):
        state.take(event)
    if not state.calls:
        raise UnreadableTrace(
            "a trace of NCCL's profiler plugin without a collective",
            where=str(path),
            hint="NCCL_PROFILE_EVENT_MASK must hold collectives and kernel channels",
        )
    return state.told()


class _Nested:
    """The open call, and the channels seen inside it."""

    def __init__(self) -> None:
        self.open: dict[str, Any] | None = None
        self.channels: list[tuple[int | None, int | None]] = []
        self.calls: list[tuple[Communicator, Activity]] = []
        self.bad = self.untimed = 0

    def take(self, event: dict[str, Any]) -> None:
        """One event in the order of the file."""
        kind, phase = event.get("cat"), event.get("ph")
        if kind in _CALLS and phase == "b":
            self.open, self.channels = event, []
        elif kind in _CALLS and phase == "e" and self.open is not None:
            self._close(self.open, event)
            self.open = None
        elif kind == "GPU" and phase == "b":
            self.channels.append((time_ns(event.get("ts")), None))
        elif kind == "GPU" and phase == "e" and self.channels:
            self.channels[-1] = (self.channels[-1][0], time_ns(event.get("ts")))

    def _close(self, begin: dict[str, Any], end: dict[str, Any]) -> None:
        said = arguments_of(begin)
        name, group, place = (
            as_text(begin.get("name")),
            as_text(said.get("CommHash")),
            as_count(said.get("Rank")),
        )
        at = time_ns(begin.get("ts"))
        if name is None or group is None or place is None or at is None:
            self.bad += 1
            return
        starts = [start for start, _ in self.channels if start is not None]
        stops = [stop for _, stop in self.channels if stop is not None]
        lane = Lane(str(as_count(begin.get("pid")) or 0), group, 0, 0, group)
        facts = _facts(name, said, group, place)
        is_timed = bool(starts and stops) and max(stops) >= min(starts)
        kernels_ns = (min(starts), max(stops)) if is_timed else None
        self.untimed += not is_timed
        words = (name, *(str(said[key]) for key in ("Algorithm", "Protocol") if as_text(said.get(key))))
        called_ns = (at, time_ns(end.get("ts")) or at)
        self.calls.append(
            (Communicator(group, 0, place), operation(words, lane, facts, kernels_ns, called_ns))
        )

    def told(self) -> Told:
        """A process writes for one rank."""
        known = {one.name: one for one, _ in self.calls}
        gaps: tuple[Gap, ...] = ()
        if self.untimed:
            gaps = (
                Gap("no_event_times", f"{self.untimed} operations do not say when their kernels ran",
                    cost="no waits of these", hint="NCCL_PROFILE_EVENT_MASK must hold kernel channels"),
            )  # fmt: skip
        members = (Member("", tuple(activity for _, activity in self.calls), tuple(known.values())),)
        return Told(members, backend="nccl", bad=self.bad, gaps=gaps)


def _facts(name: str, said: dict[str, Any], group: str, place: int) -> CommFacts:
    """Counts as NCCL passes them: the shard for all_gather (sent) and reduce_scatter (received)."""
    count = as_count(said.get("Count"))
    plain = name.lower()
    peer = as_count(said.get("Peer"))
    src, dst = (None, None) if peer is None else ends_of(name, place, peer)
    return CommFacts(
        collective=name,
        in_elements=count if plain != "reducescatter" else None,
        out_elements=count if plain not in _SHARDED or plain == "reducescatter" else None,
        dtype=canonical_dtype((as_text(said.get("Datatype")) or "").removeprefix("nccl")) or None,
        group=group,
        seq=as_count(said.get("SeqNum")),
        src=src,
        dst=dst,
    )


FORMAT = OtherFormat(
    "nccl_plugin",
    "NCCL's profiler plugin",
    Source.NCCL_PLUGIN,
    sniff,
    tell,
    gaps=(
        Gap("communication_only", "NCCL's profiler plugin records communication only",
            cost="compute, copies and idle time cannot be told, nor a critical path",
            hint="commscope record, or torch.profiler, records the rest as well"),
    ),
)  # fmt: skip
