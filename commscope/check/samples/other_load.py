"""Did other programs keep the machine busy? Two sides of runs -> why their wall times are no proof, if so.

Where a run does not tell, nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from commscope.check.samples.sides import Sides
from commscope.check.samples.snapshot import Snapshot
from commscope.compare.measures.other_load import OtherLoad, typical_load


def load_doubt(sides: Sides, most_share: float) -> str:
    """`other programs kept 1.4 of 2 cores busy`: the worse side's median run; "" where both are quiet."""
    loads = [(_typical(sides.candidate), ""), (_typical(sides.baseline), " while the baseline was recorded")]
    busy = [(load, when) for load, when in loads if load is not None and load.share > most_share]
    if not busy:
        return ""
    load, when = max(busy, key=lambda pair: pair[0].share)
    return f"other programs kept {load.words} busy{when}"


def _typical(runs: Sequence[Snapshot]) -> OtherLoad | None:
    return typical_load([run.other_load for run in runs])
