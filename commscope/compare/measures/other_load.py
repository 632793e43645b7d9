"""How much other work a machine had while a run was recorded: facts of the run -> OtherLoad, and words.

Other programs that keep the cores busy slow every step, so wall times of that run say less about its code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from commscope.trace import RunInfo

MOST_SHARE = 0.05  # of the cores: 5 % fewer cores are a step some 5 % longer, more than its budget of 3 %


@dataclass(frozen=True, slots=True)
class OtherLoad:
    """Cores busy with other programs while steps were measured, of so many."""

    busy_cores: float
    cores: float

    @property
    def share(self) -> float:
        """Of all cores of the machine."""
        return self.busy_cores / self.cores

    @property
    def words(self) -> str:
        """`1.4 of 2 cores`."""
        return f"{self.busy_cores:.2g} of {self.cores:g} cores"


def other_load_of(run: RunInfo) -> OtherLoad | None:
    """As the recorder told it; None where it did not, which is not the same as none."""
    busy, cores = _number(run.host.get("other_load_cores")), _number(run.host.get("other_load_of_cores"))
    return OtherLoad(busy, cores) if busy is not None and cores else None


def typical_load(loads: Sequence[OtherLoad | None]) -> OtherLoad | None:
    """The median run's, of those that tell."""
    known = sorted((load for load in loads if load is not None), key=lambda load: load.share)
    return known[(len(known) - 1) // 2] if known else None


def load_words(names: Sequence[str], sides: Sequence[Sequence[RunInfo]]) -> str:
    """Where a side had much other load: `other programs kept busy 1.4 of 2 cores in b and ...`."""
    loads = [typical_load([other_load_of(run) for run in side]) for side in sides]
    if not any(load is not None and load.share > MOST_SHARE for load in loads):
        return ""
    told = [
        f"{'an unknown number of cores' if load is None else load.words} in {name}"
        for load, name in zip(reversed(loads), reversed(names), strict=True)
    ]
    return f"other programs kept busy {' and '.join(told)}"


def _number(value: object) -> float | None:
    """A number that can be one of cores."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
    return float(value) if is_number else None  # type: ignore[arg-type]
