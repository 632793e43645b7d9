"""Which ranks fall behind the others by their own doing, more than before: runs of two sides -> Lags.

On a shared machine the step time of unchanged runs scatters by tens of per cent, for other load slows every
rank and stretches compute. Two things scatter far less: the difference between ranks in the same step, and a
part of the step that load hardly touches. So a rank is held responsible when its own time, or compute, copies
or idle time alone, grew against the other ranks and by itself; it is sure when the growth against the others
is, by the rule for runs, with the 1 % shared among all ranks. What the rest of the rank's own time surely
gave back is no delay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from commscope.check.samples.own_time import OWN_PARTS, STRAGGLER
from commscope.compare.decision import Decision, Rule, Sample, decide
from commscope.compare.measures.measurement import Measurement


class OwnTimes(Protocol):
    """What is needed of a run: each rank's lag behind the others, and the parts of its step."""

    @property
    def measured(self) -> Mapping[str, Measurement]:
        """`straggler.time` and its parts, by rank."""

    @property
    def rank_parts_ns(self) -> Mapping[int, Mapping[str, float]]:
        """Rank -> part of the step."""


@dataclass(frozen=True, slots=True)
class Lag:
    """What one rank falls behind the others, by all of its own time or by one part of it."""

    rank: int
    before: float
    after: float
    decision: Decision

    @property
    def growth(self) -> float:
        """How much longer than before, against the others."""
        return self.after - self.before

    @property
    def order(self) -> tuple[bool, bool, float]:
        """The largest one is the one to tell of."""
        return (self.decision.direction > 0, self.decision.is_sure, self.growth)


def lags(metric: str, before: Sequence[OwnTimes], after: Sequence[OwnTimes], rule: Rule) -> list[Lag]:
    """One for every rank that all runs have; one that is late without its own doing is not late."""
    ranks = sorted(set.intersection(*(set(run.measured[metric].by_rank) for run in (*before, *after))))
    shared = replace(rule, questions=len(ranks))
    return [_lag(rank, metric, (before, after), shared) for rank in ranks]


def _lag(rank: int, metric: str, sides: tuple[Sequence[OwnTimes], Sequence[OwnTimes]], rule: Rule) -> Lag:
    old, new = (_sample(side, metric, rank) for side in sides)
    lag = Lag(rank, old.middle, new.middle, decide(old, new, rule))
    if lag.decision.direction <= 0:
        return lag
    is_longer = _own(sides[1], metric, rank) - _own(sides[0], metric, rank) > rule.allowed
    if is_longer and not _is_given_back(lag, [_rest(side, metric, rank) for side in sides], rule):
        return lag
    return replace(lag, decision=replace(lag.decision, direction=0))


def _sample(runs: Sequence[OwnTimes], metric: str, rank: int) -> Sample:
    found = [run.measured[metric] for run in runs]
    spreads = [one.spread for one in found if one.spread is not None]
    return Sample(tuple(float(one.by_rank[rank]) for one in found), max(spreads, default=None))


def _own(runs: Sequence[OwnTimes], metric: str, rank: int) -> float:
    """The rank's own time, or the part of it, by itself: others that became faster make nobody late."""
    parts = OWN_PARTS if metric == STRAGGLER else (metric.removeprefix(f"{STRAGGLER}/"),)
    return Sample(tuple(sum(run.rank_parts_ns[rank][part] for part in parts) for run in runs)).middle


def _rest(runs: Sequence[OwnTimes], metric: str, rank: int) -> Sample:
    """Against the other ranks, what remains of the rank's own time without this part."""
    whole, part = (_sample(runs, name, rank).values for name in (STRAGGLER, metric))
    return Sample(tuple(a - b for a, b in zip(whole, part, strict=True)))


def _is_given_back(lag: Lag, rest: Sequence[Sample], rule: Rule) -> bool:
    before, after = rest
    is_enough = before.middle - after.middle >= lag.growth - rule.allowed
    return is_enough and decide(before, after, rule).direction < 0
