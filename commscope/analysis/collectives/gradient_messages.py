"""Which messages of a pipeline carry gradients.

Takes the sends and receives of one rank in the order of their issue, gives a phase for each, or None. Between
two ranks of a pipeline the first message of a step goes downstream: that direction carries activations, the
other gradients. Ranks that exchange (ring attention) send both ways before any backward; a stage has then
received at most the first gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from commscope.schema import Collective, Phase
from commscope.trace import Int64


@dataclass(frozen=True, slots=True)
class Message:
    """A send or receive: its place in the table, kind, the other rank, step (-1: none) and time of issue."""

    index: int
    collective: str
    peer: int
    step: int
    issued_ns: int


def message_phases(messages: Sequence[Message], backward_ns: Int64) -> dict[int, Phase]:
    """Phase by place in the table; `backward_ns` is when backward nodes start, sorted."""
    by_peer: dict[tuple[int, int], list[Message]] = {}
    for one in messages:
        by_peer.setdefault((one.peer, one.step), []).append(one)
    found: dict[int, Phase] = {}
    for peer in dict.fromkeys(peer for peer, _ in by_peer):
        steps = {step: sent for (other, step), sent in by_peer.items() if other == peer}
        downstream = _downstream(steps, backward_ns)
        if downstream is not None:
            found |= {
                one.index: Phase.FORWARD if one.collective == downstream else Phase.BACKWARD
                for sent in steps.values()
                for one in sent
            }
    return found


def _downstream(steps: Mapping[int, Sequence[Message]], backward_ns: Int64) -> str | None:
    """Send or recv, whichever goes downstream in every step; None where the ranks are no pipeline."""
    firsts = {sent[0].collective for sent in steps.values()}
    if len(firsts) != 1 or not all(_is_pipeline(sent, backward_ns) for sent in steps.values()):
        return None
    return firsts.pop()


def _is_pipeline(sent: Sequence[Message], backward_ns: Int64) -> bool:
    """Whether all went one way before the first backward of the step, but for the gradient it began with."""
    after = np.searchsorted(backward_ns, sent[0].issued_ns)
    if after == len(backward_ns):
        return False
    first_ns = int(backward_ns[after])
    early = [one.collective for one in sent if one.issued_ns < first_ns]
    back = [place for place, kind in enumerate(early) if kind != early[0]]
    both = {one.collective for one in sent} == {Collective.SEND, Collective.RECV}
    return both and back in ([], [len(early) - 1])
