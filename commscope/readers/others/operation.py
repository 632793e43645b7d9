"""One operation of NCCL as its plugins tell it: takes its words and times, gives an Activity."""

from __future__ import annotations

from commscope.readers.names.communication import PARAM_COMMS
from commscope.readers.others.told import Activity
from commscope.schema import EventKind
from commscope.trace import CommFacts, Lane

Span = tuple[int, int]


def operation(
    words: tuple[str, ...], lane: Lane, facts: CommFacts, kernels_ns: Span | None, called_ns: Span
) -> Activity:
    """The kernel where its times are known, named by kind, algorithm and protocol; else the call alone."""
    if kernels_ns is not None:
        return Activity(EventKind.KERNEL, "_".join(("ncclKernel", *words)), *kernels_ns, lane, facts)
    host = Lane(lane.process, lane.thread, label=lane.label)
    return Activity(EventKind.OP, PARAM_COMMS, *called_ns, host, facts)


def ends_of(name: str, place: int | None, peer: int | None) -> tuple[int | None, int | None]:
    """Source and destination of a message between this place and its peer."""
    return (peer, place) if name.lower().startswith("recv") else (place, peer)
