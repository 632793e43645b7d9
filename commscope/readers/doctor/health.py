"""What one rank's trace holds and lacks, in numbers.

Takes a RankTrace, gives RankHealth, small enough to gather over all ranks.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from commscope.readers.doctor.offers import NOT_COLLECTIVES, Offers, offers_of
from commscope.readers.names.kernels import LONGEST_NAME, talk_of
from commscope.readers.names.phases import BACKWARD_NODE, GRAPH_LAUNCH, spoken_phase
from commscope.readers.names.steps import steps_among
from commscope.schema import COLLECTIVE_RANGE, PHASE_RANGE, EventKind, Source
from commscope.trace import CommFacts, Events, Gap, Int64, Mask, RankTrace

_OUR_RANGE = re.compile(COLLECTIVE_RANGE)
_HOST_WORK = re.compile(r"(?:gloo|nccl|rccl|ucc|mpi):\w+\Z")
_GLOO_WORK = re.compile(r"gloo:\w+\Z")
# torch writes whole records only from 2.4 on; each later key has its release
# (torch/csrc/distributed/c10d/ParamCommsUtils.hpp).
GENERATIONS = ("unknown", "2.1 or older", "2.2 or 2.3", "2.4 to 2.11", "2.12", "2.13 or newer")


@dataclass(frozen=True, slots=True)
class Share:
    """Some of all."""

    part: int
    whole: int

    @property
    def ratio(self) -> float | None:
        """None where there is nothing to share."""
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True, slots=True)
class RankHealth:
    """What the doctor knows of one rank."""

    rank: int
    source: str
    backend: str | None
    generation: str
    versions: dict[str, str]
    host: str | None
    read_counts: dict[str, int]
    kinds: dict[str, int]  # events by kind
    steps: tuple[str, ...]
    start_ns: int | None
    end_ns: int | None
    launched: Share  # kernels with a launch record
    told: Share  # communicating events with metadata, by count
    told_ns: Share  # the same by time
    collectives: dict[str, int] = field(default_factory=dict)  # host records by kind as written
    phases: str = ""  # "all", "forward" (no backward in the capture), or "" where none can be told
    launched_late: int = 0  # kernels that start before their launch does
    late_ns: int = 0  # the most by which one does
    overlapping: int = 0  # kernels that overlap another on their own stream
    gaps: tuple[Gap, ...] = ()
    graphs: int = 0  # launches of CUDA graphs, whose kernels say neither phase nor collective
    silent_nccl: int = 0  # kernels of NCCL without metadata; those of other libraries never carry any
    offers: Offers = field(default_factory=Offers)


def _of_nccl(events: Events) -> Mask:
    """Rows NCCL or RCCL named."""
    named = np.array(["nccl" in name.lower() or "rccl" in name.lower() for name in events.names], bool)
    return named[events.name_id] if len(named) else np.zeros(len(events), bool)


def health_of(trace: RankTrace) -> RankHealth:
    """The numbers of one rank."""
    events = trace.events
    kernels = events.is_kind(EventKind.KERNEL)
    launch_ns, launched = _launches(events, kernels)
    talks = _talks(events)
    told = talks & _has_metadata(events)
    length_ns = events.end_ns - events.start_ns
    return RankHealth(
        rank=trace.rank,
        source=str(trace.source),
        backend=trace.backend,
        generation=generation(trace),
        versions=dict(trace.versions),
        host=trace.host,
        read_counts=dict(trace.read_counts),
        kinds={
            EventKind(kind).name.lower(): int(count)
            for kind, count in zip(*np.unique(events.kind, return_counts=True), strict=True)
        },
        steps=_steps(events),
        start_ns=int(events.start_ns[0]) if len(events) else None,
        end_ns=int(events.end_ns.max()) if len(events) else None,
        launched=Share(int(launched.sum()), int(kernels.sum())),
        told=Share(int(told.sum()), int(talks.sum())),
        told_ns=Share(int(length_ns[told].sum()), int(length_ns[talks].sum())),
        collectives=_collectives(events),
        phases=_phases(events),
        launched_late=int((launched & (launch_ns > events.start_ns)).sum()),
        late_ns=int(np.max(launch_ns - events.start_ns, where=launched, initial=0)),
        overlapping=_overlapping(events, kernels),
        gaps=trace.gaps,
        graphs=int((events.is_kind(EventKind.RUNTIME) & _named(events, GRAPH_LAUNCH)).sum()),
        silent_nccl=int((talks & ~told & _of_nccl(events)).sum()),
        offers=offers_of(events),
    )


def _steps(events: Events) -> tuple[str, ...]:
    """Marks of steps on the host, else on the device, in order of their numbers."""
    for kinds in ((EventKind.OP, EventKind.ANNOTATION), (EventKind.DEVICE_ANNOTATION,)):
        found = steps_among(_names_of(events, *kinds))
        if found:
            return tuple(found.values())
    return ()


def _names_of(events: Events, *kinds: EventKind) -> list[str]:
    return [events.names[number] for number in np.unique(events.name_id[events.is_kind(*kinds)]).tolist()]


def generation(trace: RankTrace) -> str:
    """The torch releases that write what this trace holds."""
    best = 0
    for facts in trace.events.comms if trace.source is Source.KINETO else ():
        if facts.comms_id is not None:
            best = max(best, 5)
        elif facts.role is None and facts.collective is not None and facts.group is not None:
            best = max(best, 4 if facts.seq is not None else 3)
        elif facts.role is None and facts.in_elements is not None:
            best = max(best, 2)
        elif facts.seq is not None and facts.concrete:
            best = max(best, 1)
    return GENERATIONS[best]


def _named(events: Events, pattern: re.Pattern[str]) -> Mask:
    found = np.array([pattern.search(name) is not None for name in events.names], dtype=bool)
    return found[events.name_id] if len(found) else np.zeros(len(events), dtype=bool)


def _phases(events: Events) -> str:
    """Which phases the names tell; torch's operators without any backward are a forward."""
    names = _names_of(events, EventKind.OP, EventKind.ANNOTATION)
    spoken = {spoken_phase(name) for name in names}
    ours = {name.removeprefix(PHASE_RANGE)[:1] for name in names if name.startswith(PHASE_RANGE)}
    if "b" in spoken | ours or any(BACKWARD_NODE.fullmatch(name[:LONGEST_NAME]) for name in names):
        return "all"
    if any(GRAPH_LAUNCH.fullmatch(name[:LONGEST_NAME]) for name in _names_of(events, EventKind.RUNTIME)):
        return ""  # a graph may hold a backward
    return "forward" if "f" in spoken | ours or any(name.startswith("aten::") for name in names) else ""


def _talks(events: Events) -> Mask:
    """Kernels that communicate and gloo's work.

    Where nothing ran on a device, the host's records of collectives, else the ranges around them; records too
    where copies carry them out.
    """
    records = _records(events)
    work: Mask = events.is_kind(EventKind.ANNOTATION)
    if events.on_device().any():
        talking = np.array([talk_of(name[:LONGEST_NAME]) is not None for name in events.names], dtype=bool)
        spoken = np.array([*(facts.collective is not None for facts in events.comms), False], dtype=bool)
        kernels: Mask = events.is_kind(EventKind.KERNEL) & (talking[events.name_id] | spoken[events.comm_id])
        kernels |= work & _named(events, _GLOO_WORK)
        return kernels if kernels.any() or not events.is_kind(EventKind.MEMCPY).any() else records
    if records.any():
        return records | (work & _named(events, _GLOO_WORK))
    # torch writes ranges with structured facts as operators.
    ours: Mask = events.is_kind(EventKind.ANNOTATION, EventKind.OP) & _named(events, _OUR_RANGE)
    work &= _named(events, _HOST_WORK)
    # The work runs on other threads and carries no facts: a range of ours stands for it.
    return ours if ours.sum() >= work.sum() else work


def _records(events: Events) -> Mask:
    """The host's records of collectives that move something between ranks."""
    told = [
        facts.collective is not None
        and facts.collective not in NOT_COLLECTIVES
        and _says_size(facts)
        and facts.group_size != 1
        for facts in events.comms
    ]
    record: Mask = events.is_kind(EventKind.OP) & np.array([*told, False], dtype=bool)[events.comm_id]
    record &= ~_named(events, _OUR_RANGE)  # it stands for work that is there beside it
    return record


def _says_size(facts: CommFacts) -> bool:
    sizes = (facts.in_elements, facts.out_elements, facts.message_bytes)
    return any(size is not None for size in sizes)


def _has_metadata(events: Events) -> Mask:
    """Events with facts of their own, and those launched by a record with facts, or by its operator."""
    whole = [facts.collective is not None and _says_size(facts) for facts in events.comms]
    if not whole:
        return np.zeros(len(events), dtype=bool)
    own = (events.comm_id >= 0) & np.array(whole, dtype=bool)[np.maximum(events.comm_id, 0)]
    records = own & events.is_kind(EventKind.OP)
    speaking = records | _around(events, records)
    ids = events.external_id[speaking & (events.external_id >= 0)]
    linked = np.isin(events.external_id, ids) & (events.external_id >= 0)
    called = events.correlation[linked & (events.correlation >= 0)]
    told: Mask = own | linked | np.isin(events.correlation, called)
    return told


def _around(events: Events, records: Mask) -> Mask:
    """Operators of c10d with a record inside: some backends close it before they launch."""
    named = np.array([name.startswith("c10d::") for name in events.names], dtype=bool)
    operators = np.flatnonzero(events.is_kind(EventKind.OP) & named[events.name_id])
    around = np.zeros(len(events), dtype=bool)
    for lane in np.unique(events.lane_id[operators]).tolist():
        mine = operators[events.lane_id[operators] == lane]
        inside = np.flatnonzero(records & (events.lane_id == lane))
        last = np.searchsorted(events.start_ns[mine], events.start_ns[inside], side="right") - 1
        held = mine[np.maximum(last, 0)]
        around[held[(last >= 0) & (events.end_ns[held] >= events.end_ns[inside])]] = True
    return around


def _launches(events: Events, kernels: Mask) -> tuple[Int64, Mask]:
    """Start of each kernel's launch, and which kernels have one."""
    calls = np.flatnonzero(events.is_kind(EventKind.RUNTIME) & (events.correlation >= 0))
    launch_ns = np.zeros(len(events), dtype=np.int64)
    if not len(calls):
        return launch_ns, np.zeros(len(events), dtype=bool)
    order = calls[np.argsort(events.correlation[calls], kind="stable")]
    keys = events.correlation[order]
    place = np.minimum(np.searchsorted(keys, events.correlation), len(keys) - 1)
    launched: Mask = kernels & (events.correlation >= 0) & (keys[place] == events.correlation)
    launch_ns[launched] = events.start_ns[order[place[launched]]]
    return launch_ns, launched


def _overlapping(events: Events, kernels: Mask) -> int:
    """Kernels that start before the one before them on their stream has ended."""
    rows = np.flatnonzero(kernels)
    if len(rows) < 2:
        return 0
    order = rows[np.lexsort((events.start_ns[rows], events.lane_id[rows]))]
    same = events.lane_id[order[1:]] == events.lane_id[order[:-1]]
    return int((same & (events.start_ns[order[1:]] < events.end_ns[order[:-1]])).sum())


def _collectives(events: Events) -> dict[str, int]:
    """Host records of collectives by kind: of metadata, else the ranges around the work."""
    rows = np.flatnonzero((events.comm_id >= 0) & events.is_kind(EventKind.OP))
    spoken = [events.comms[events.comm_id[row]].collective for row in rows.tolist()]
    counts = Counter(kind for kind in spoken if kind is not None and kind not in NOT_COLLECTIVES)
    if not counts:
        rows = np.flatnonzero(events.is_kind(EventKind.ANNOTATION) & _named(events, _HOST_WORK))
        counts = Counter(events.name(row).partition(":")[2] for row in rows.tolist())
    return dict(sorted(counts.items()))
