"""What uncertain clocks cost the waits: takes the clock and the joined instances, gives gaps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from commscope.analysis.result import Clock
from commscope.trace import Gap
from commscope.units import NS_PER_US, format_time

WORTH_TELLING = 0.1  # of a rank's waiting
LEAST_NS = 10 * NS_PER_US  # about a kernel's launch: shorter waits are nothing anybody acts on


def clock_gaps(
    clock: Clock | None, instances: pd.DataFrame, hosts: Mapping[int, str | None]
) -> tuple[Gap, ...]:
    """A gap for each rank whose clock may be off by so much that a tenth of its waiting is in doubt."""
    if clock is None:
        return ()
    matched = instances[instances["wait_ns"].notna()]
    rank, wait = matched["rank"].to_numpy(np.int64), matched["wait_ns"].to_numpy(np.int64)
    home = hosts.get(min(clock.offsets_ns))
    gaps = []
    for one, doubt_ns in sorted(clock.uncertainty_ns.items()):
        mine = wait[rank == one]
        if not doubt_ns or doubt_ns < LEAST_NS or doubt_ns * len(mine) <= WORTH_TELLING * int(mine.sum()):
            continue
        one_host = home is not None and hosts.get(one) == home and clock.offsets_ns[one] == 0
        why = "; taken as right, since the ranks name one host" if one_host else ""
        doubt = format_time(doubt_ns)
        gaps.append(
            Gap(
                "clock_uncertain",
                f"the collectives of rank {one} bound its clock to ±{doubt} only{why}",
                (one,),
                serious=not one_host,
                cost=f"each of its waits is known to ±{doubt}, "
                f"their sum of {format_time(int(mine.sum()))} to ±{format_time(doubt_ns * len(mine))}",
            )
        )
    return tuple(gaps)
