"""What the stages of matching have found so far, and how a stage adds to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from commscope.analysis.rows import ABSENT
from commscope.schema import MembersBy, Proof
from commscope.trace import Int64, Mask

PROOFS, MEMBERS_BY = tuple(Proof), tuple(MembersBy)


@dataclass(frozen=True, slots=True)
class State:
    """Arrays by row."""

    number: Int64  # equal for one collective, proved or not; -1: no stage spoke of it
    proof: Int64  # index in PROOFS; -1: not proved
    members_by: Int64  # index in MEMBERS_BY
    together: Int64  # equal where one count proved all of them; -1: each by itself
    refused: Mask  # a pairing was found and thrown away

    @property
    def proved(self) -> Mask:
        """Rows in a proved instance."""
        return self.proof >= 0

    @property
    def instance(self) -> Int64:
        """The number of the proved instance, -1 elsewhere."""
        return np.where(self.proved, self.number, ABSENT)


@dataclass(frozen=True, slots=True)
class Found:
    """What one stage found. Arrays by row; `number` and `together` -1 where it says nothing."""

    proof: Proof
    number: Int64
    good: Mask
    bad: Mask  # found, and contradicts itself
    together: Int64 | None = None


def nothing(count: int) -> State:
    """The state before all stages, of so many rows."""
    absent = np.full(count, ABSENT, dtype=np.int64)
    return State(absent, absent, np.zeros(count, dtype=np.int64), absent, np.zeros(count, dtype=np.bool_))


def merged(state: State, found: Found) -> State:
    """The state with what a stage found of rows that nothing proved before."""
    fresh = (found.number >= 0) & ~state.proved
    good = fresh & found.good
    together = found.together if found.together is not None else np.full(len(fresh), ABSENT)
    return replace(
        state,
        number=np.where(fresh, found.number + _above(state.number), state.number),
        proof=np.where(good, PROOFS.index(found.proof), state.proof),
        together=np.where(good & (together >= 0), together + _above(state.together), state.together),
        refused=state.refused | found.bad,
    )


def _above(numbers: Int64) -> int:
    """One more than any number in use."""
    return int(numbers.max(initial=ABSENT)) + 1


def withdrawn(state: State, rows: Mask) -> State:
    """The state without what was proved of these rows."""
    return replace(
        state,
        number=np.where(rows, ABSENT, state.number),
        proof=np.where(rows, ABSENT, state.proof),
        together=np.where(rows, ABSENT, state.together),
        refused=state.refused | rows,
    )
