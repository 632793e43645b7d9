"""What is to be different: takes words of the command line, gives a frozen Scenario."""

from __future__ import annotations

import re
from dataclasses import dataclass

from commscope.analysis.skeleton import KINDS
from commscope.errors import UsageProblem
from commscope.schema import Collective, Phase

COLLECTIVES = tuple(str(kind) for kind in Collective)
PHASES = tuple(str(phase) for phase in Phase)
_SCALE = re.compile(r"\s*(\w+)(?:@(?:rank)?(\d+))?\s*=\s*(\d+(?:\.\d+)?)\s*[x×]?\s*")
_FACTOR = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[x×]?\s*")
_HINT = "such as all_gather=0.5, compute@rank3=0.8 or backward=0.9"


@dataclass(frozen=True, slots=True)
class Scale:
    """All time of one collective, phase or kind, on one rank or on all, takes `factor` times as long.

    A collective's or `transfer`'s time is its transfer; a phase's time is everything in it but transfers.
    """

    what: str
    factor: float
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is to be different. The default changes nothing.

    no_stragglers  no rank does its own work slower than the median of the others, neither throughout nor in
                   single stretches between collectives; ordinary scatter stays
    stragglers     the same, of these ranks only
    equalize       ranks share alike: what `equalize` says of "compute", "stage" or "all"
    comm_free      transfers take no time; ranks still wait for each other
    bandwidth      2.0: the part of a transfer that grows with its bytes takes half as long
    latency        0.5: the part that does not takes half as long
    """

    no_stragglers: bool = False
    comm_free: bool = False
    bandwidth: float = 1.0
    latency: float = 1.0
    scales: tuple[Scale, ...] = ()
    equalize: str | None = None
    stragglers: tuple[int, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether this is the run as it was."""
        return self == Scenario()

    @property
    def compares_ranks(self) -> bool:
        """Whether it measures ranks against each other, so that one rank alone tells nothing."""
        return self.no_stragglers or bool(self.stragglers) or self.equalize is not None


def parse_scale(text: str) -> Scale:
    """`all_gather=0.5`, `compute@rank3=0.8`, `backward=0.9`. Raises UsageProblem on anything else."""
    match = _SCALE.fullmatch(text)
    if match is None:
        raise UsageProblem(
            f"cannot read {text!r}", hint=f"expected WHAT=FACTOR or WHAT@rankN=FACTOR, {_HINT}"
        )
    what, rank, factor = match.groups()
    known = (*KINDS, *PHASES, *COLLECTIVES)
    if what not in known:
        raise UsageProblem(f"do not know what {what!r} is", hint=f"expected one of {', '.join(known)}")
    return Scale(what, float(factor), None if rank is None else int(rank))


def parse_factor(text: str) -> float:
    """`2x` or `0.5` as a number above zero. Raises UsageProblem on anything else."""
    match = _FACTOR.fullmatch(text)
    if match is None or float(match.group(1)) == 0:
        raise UsageProblem(f"cannot read {text!r}", hint="expected a factor above zero such as 2x")
    return float(match.group(1))
