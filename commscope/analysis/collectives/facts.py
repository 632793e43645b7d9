"""One collective from the rows that speak of it.

Takes Sources, gives Told, each fact from the strongest evidence that has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import TypeVar

from commscope.analysis.collectives.evidence_rows import Sources
from commscope.analysis.collectives.grouped_calls import kind_of_calls, sizes_of_calls
from commscope.analysis.collectives.operators import OpSizes, named_group, op_kind, op_sizes, whole_elements
from commscope.analysis.collectives.sent import Splits, sent_bytes
from commscope.analysis.events import kernel_dtype, kernel_kind, range_kind, spoken_kind
from commscope.schema import (
    DTYPE_BYTES,
    NO_VALUE,
    POINT_TO_POINT,
    Collective,
    EventKind,
    Evidence,
)
from commscope.trace import CommFacts, Events, ProcessGroup

T = TypeVar("T")
_VAGUE = (Collective.SEND_RECV, Collective.UNKNOWN)
_P2P_OPS = ("c10d::send", "c10d::recv_")
LONGEST_NUMBER = 9  # digits


@dataclass(frozen=True, slots=True)
class Groups:
    """The process groups of a rank, for looking up."""

    by_name: dict[str, ProcessGroup]
    shared: (
        ProcessGroup | None
    )  # all groups of more than one rank have these members; its name is "" if several
    rank: int

    def get(self, name: str | None) -> ProcessGroup | None:
        """A group by the name a record gives it."""
        return self.by_name.get(name) if name is not None else None


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of one instance; None where nothing says."""

    collective: Collective
    evidence: Evidence
    group: str | None
    description: str | None
    group_ranks: tuple[int, ...] | None
    group_size: int | None
    dtype: str | None
    elements: int | None
    seq: int | None
    comms_id: str | None
    peer: int | None
    peer_place: int | None
    tag: int | None
    is_async: bool | None
    role: str | None
    payload_bytes: int | None  # nccl-tests' S
    wire_bytes: int | None  # what this rank sends


def groups_of(groups: tuple[ProcessGroup, ...], rank: int) -> Groups:
    """Groups by name, and the only possible one if all that have several members have the same."""
    several = [group for group in groups if len(group.ranks) > 1]
    members = {tuple(sorted(group.ranks)) for group in several}
    shared = None
    if len(members) == 1:
        name = several[0].name if len(several) == 1 else ""
        shared = ProcessGroup(name, several[0].description if name else "", several[0].ranks)
    return Groups({group.name: group for group in groups}, shared, rank)


def told_of(events: Events, sources: Sources, groups: Groups) -> Told:
    """Everything the rows of one instance say about it."""
    work = sources.work[0]
    said = [events.facts(row) for row in (work, sources.record, sources.ours, sources.mark) if row >= 0]
    speaking = [facts for facts in said if facts is not None]
    kind, evidence = _kind(events, sources)
    sizes = _sizes(events, sources)
    name, description, group = _group(events, sources, speaking, groups)
    size = _first(facts.group_size for facts in speaking) or (len(group.ranks) if group else None)
    size = size or _ratio(kind, sizes)
    if size is None and groups.shared is not None and name is None:
        group = groups.shared
        size, name, description = len(group.ranks), group.name or None, group.description or None
    ranks = _first(facts.group_ranks for facts in speaking) or (group.ranks if group else None)
    if ranks is None and size is not None and groups.shared is not None and len(groups.shared.ranks) == size:
        ranks, name = groups.shared.ranks, name or groups.shared.name or None
    dtype = _dtype(events, sources, speaking)
    elements = _elements(kind, speaking, sizes, size)
    payload = _payload_bytes(kind, speaking, elements, dtype, size)
    return Told(
        collective=kind,
        evidence=evidence,
        group=name,
        description=description,
        group_ranks=ranks,
        group_size=size,
        dtype=dtype,
        elements=elements,
        seq=_first(facts.seq for facts in speaking),
        comms_id=_first(facts.comms_id for facts in speaking),
        peer=_first((_peer(kind, speaking), _peer_of_operator(events, sources, ranks, groups))),
        peer_place=_number_of_operator(events, sources, 2),
        tag=_number_of_operator(events, sources, 3),
        is_async=_is_async(events, sources, speaking),
        role=_first(facts.role for facts in speaking),
        payload_bytes=payload,
        wire_bytes=sent_bytes(kind, payload, (size, _place(groups.rank, ranks)), _splits(speaking, dtype)),
    )


def _splits(speaking: list[CommFacts], dtype: str | None) -> Splits | None:
    """The recorded splits of the input."""
    said = next((facts for facts in speaking if facts.in_split and facts.in_elements is not None), None)
    size = DTYPE_BYTES.get(dtype or "")
    if said is None or said.in_split is None or said.in_elements is None or size is None:
        return None
    return Splits(said.in_split, said.in_elements * size)


def _place(rank: int, members: tuple[int, ...] | None) -> int | None:
    """Where a rank stands in its group."""
    return members.index(rank) if members is not None and rank in members else None


def _payload_bytes(
    kind: Collective,
    speaking: list[CommFacts],
    elements: int | None,
    dtype: str | None,
    group_size: int | None,
) -> int | None:
    """Elements times their size; NCCL's own ranges say bytes, of the shard where there is one."""
    if elements == 0:
        return 0
    size = DTYPE_BYTES.get(dtype or "")
    if elements is not None and size is not None:
        return elements * size
    message = _first(facts.message_bytes for facts in speaking)
    if message is None or kind not in {Collective.ALL_GATHER, Collective.REDUCE_SCATTER}:
        return message
    return None if group_size is None else message * group_size


def _kind(events: Events, sources: Sources) -> tuple[Collective, Evidence]:
    """The strongest specific kind; where all are vague (grouped point-to-point), the strongest vague one."""
    if sources.calls:
        return kind_of_calls(events, sources.calls), Evidence.ANNOTATION
    work = sources.work[0]
    on_device = int(events.kind[work]) == EventKind.KERNEL
    candidates = [
        (_spoken(events, work) if on_device else None, Evidence.KERNEL_METADATA),
        (_spoken(events, sources.record), Evidence.LAUNCH_METADATA),
        (_named(events, sources.ours, range_kind), Evidence.RANGE),
        (_named(events, sources.operator, _operator_kind), Evidence.ANNOTATION),
        (_named(events, sources.mark, range_kind), Evidence.ANNOTATION),
        (_named(events, work, range_kind), Evidence.ANNOTATION),
        (_named(events, work, kernel_kind), Evidence.NAME),
    ]
    known = [(kind, evidence) for kind, evidence in candidates if kind is not None]
    specific = [(kind, evidence) for kind, evidence in known if kind not in _VAGUE]
    return next(iter(specific or known), (Collective.UNKNOWN, Evidence.NAME))


def _spoken(events: Events, row: int) -> Collective | None:
    facts = events.facts(row) if row >= 0 else None
    return spoken_kind(facts.collective) if facts is not None else None


def _named(events: Events, row: int, kind: Callable[[str], Collective | None]) -> Collective | None:
    return kind(events.name(row)) if row >= 0 else None


def _operator_kind(name: str) -> Collective | None:
    op = op_kind(name)
    return op.collective if op else None


def _sizes(events: Events, sources: Sources) -> OpSizes:
    """Elements by tensor, from the operator, else from the range or the work that shows its inputs."""
    if sources.calls:
        return sizes_of_calls(events, sources.calls)
    if sources.operator >= 0:
        op = op_kind(events.name(sources.operator))
        sizes = op_sizes(op, events.facts(sources.operator)) if op else OpSizes(None, None)
        if sizes != OpSizes(None, None):
            return sizes
    for row in (sources.mark, sources.work[0], sources.record):
        facts = events.facts(row) if row >= 0 else None
        if facts is not None and facts.shapes and (row != sources.record or facts.shapes[0]):
            shapes = facts.shapes if row != sources.record else facts.shapes[:1]
            return OpSizes(tuple(prod(shape) for shape in shapes), None)
    return OpSizes(None, None)


def _elements(
    kind: Collective, speaking: list[CommFacts], sizes: OpSizes, group_size: int | None
) -> int | None:
    for facts in speaking:
        if facts.in_elements is not None or facts.out_elements is not None:
            return max(facts.in_elements or 0, facts.out_elements or 0)
    return whole_elements(kind, sizes, group_size)


def _dtype(events: Events, sources: Sources, speaking: list[CommFacts]) -> str | None:
    said = _first(facts.dtype for facts in speaking)
    if said:
        return said
    for row in (sources.mark, sources.work[0], sources.operator, *sources.calls):
        facts = events.facts(row) if row >= 0 else None
        if facts is not None and (spoken := next((one for one in facts.dtypes if one in DTYPE_BYTES), None)):
            return spoken
    return kernel_dtype(events.name(sources.work[0]))


def _group(
    events: Events, sources: Sources, speaking: list[CommFacts], groups: Groups
) -> tuple[str | None, str | None, ProcessGroup | None]:
    """Name, description and members of the group; symmetric memory names it among its arguments."""
    name = _first(facts.group for facts in speaking)
    facts = events.facts(sources.operator) if sources.operator >= 0 else None
    if name is None and facts is not None:
        name = next((value for value in facts.concrete if value and value in groups.by_name), None)
        if name is not None and not events.name(sources.operator).startswith("symm_mem::"):
            name = None
    named = named_group(events.facts(sources.caller)) if name is None and sources.caller >= 0 else None
    name = name or named
    group = groups.get(name)
    description = _first(facts.group_description for facts in speaking) or (
        group.description if group else named
    )
    return name, description, group if group is not None and group.ranks else None


def _ratio(kind: Collective, sizes: OpSizes) -> int | None:
    """Ranks of the group, from whole and shard."""
    whole, shard = sizes.outputs, sizes.inputs
    if kind == Collective.REDUCE_SCATTER:
        whole, shard = shard, whole
    elif kind != Collective.ALL_GATHER:
        return None
    if not whole or not shard or not sum(shard) or sum(whole) % sum(shard):
        return None
    return sum(whole) // sum(shard)


def _peer(kind: Collective, speaking: list[CommFacts]) -> int | None:
    said = _first(facts.peer for facts in speaking)
    if said is not None or kind not in POINT_TO_POINT:
        return said
    end = (facts.dst if kind == Collective.SEND else facts.src for facts in speaking)
    peer = _first(end) if kind != Collective.SEND_RECV else None
    return peer if peer != NO_VALUE else None


def _peer_of_operator(
    events: Events, sources: Sources, members: tuple[int, ...] | None, groups: Groups
) -> int | None:
    """The other side where the members of the group are known."""
    known = members or (groups.shared.ranks if groups.shared else ())
    place = _number_of_operator(events, sources, 2)
    return known[place] if place is not None and place < len(known) else None


def _number_of_operator(events: Events, sources: Sources, argument: int) -> int | None:
    """What `c10d::send` and `c10d::recv_` say: (tensors, group, rank in the group, tag)."""
    facts = events.facts(sources.operator) if sources.operator >= 0 else None
    if facts is None or events.name(sources.operator) not in _P2P_OPS or len(facts.concrete) != 4:
        return None
    said = facts.concrete[argument]
    return int(said) if said.isdecimal() and len(said) <= LONGEST_NUMBER else None


def _is_async(events: Events, sources: Sources, speaking: list[CommFacts]) -> bool | None:
    said = _first(facts.is_async for facts in speaking)
    facts = events.facts(sources.operator) if said is None and sources.operator >= 0 else None
    return facts.is_async if facts is not None else said


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
