"""What one rank's trace offers to match its communication by: takes events, gives counts."""

from __future__ import annotations

from dataclasses import dataclass

from commscope.schema import NO_VALUE, Collective, EventKind
from commscope.trace import CommFacts, Events

NOT_COLLECTIVES = frozenset({"wait", "init", "coalesced"})
_OPERATORS = ("c10d::send", "c10d::recv_")
_WORDS = frozenset({str(Collective.SEND), str(Collective.RECV)})
_PLACE_OF_PEER = 2  # among the Concrete Inputs of both operators


@dataclass(frozen=True, slots=True)
class Offers:
    """The host's records of collectives, and of messages, by what they say."""

    records: int = 0
    identified: int = 0  # with a Comms Id
    numbered: int = 0  # with group and sequence number
    messages: int = 0
    addressed: int = 0  # that name their other side


def offers_of(events: Events) -> Offers:
    """Counts over the host's records; operators that send and receive count as messages without one too."""
    told = events.is_kind(EventKind.OP, EventKind.ANNOTATION) & (events.comm_id >= 0)
    counts = dict.fromkeys(Offers.__dataclass_fields__, 0)
    for name, comm in zip(events.name_id[told].tolist(), events.comm_id[told].tolist(), strict=True):
        facts, is_message = events.comms[comm], events.names[name] in _OPERATORS
        spoken = str(facts.collective or "").lower()
        if is_message or spoken in _WORDS:
            counts["messages"] += 1
            counts["addressed"] += _names_its_peer(facts)
        elif facts.collective is not None and spoken not in NOT_COLLECTIVES:
            counts["records"] += 1
            counts["identified"] += facts.comms_id is not None
            counts["numbered"] += facts.group is not None and facts.seq is not None
    return Offers(**counts)


def _names_its_peer(facts: CommFacts) -> bool:
    if any(one not in (None, NO_VALUE) for one in (facts.peer, facts.src, facts.dst)):
        return True
    return facts.concrete[_PLACE_OF_PEER : _PLACE_OF_PEER + 1] not in ((), ("",))
