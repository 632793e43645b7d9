"""Law 7 where clocks are fitted: shifting a rank's clock by up to 5 s changes nothing but the reported offset, to the
nanosecond.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.join import join
from commscope.analysis.result import Analysis
from commscope.trace import RunInfo
from tests.analysis.tables import World, analyses, simulate

TOLD = [
    "wait_ns",
    "transfer_ns",
    "lateness_ns",
    "culprit",
    "least_wait_ns",
    "most_wait_ns",
    "proof",
    "members_by",
]


def joined(table: pd.DataFrame) -> Analysis:
    return join(RunInfo("run", Path("run")), analyses(table))


def pairs(analysis: Analysis) -> set[frozenset[tuple[int, int]]]:
    matched = analysis.instances[analysis.instances["instance"].notna()]
    return {
        frozenset(zip(part["rank"], part["index"], strict=True)) for _, part in matched.groupby("instance")
    }


@settings(deadline=None, max_examples=12, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    ranks=st.integers(2, 4),
    jitter_us=st.sampled_from([2, 200, 3_000]),
    shift_ns=st.integers(-5_000_000_000, 5_000_000_000),
)
def test_a_shifted_clock_changes_nothing_but_its_offset(
    seed: int, ranks: int, jitter_us: int, shift_ns: int
) -> None:
    table, _ = simulate(World(ranks=ranks, count=30, jitter_us=jitter_us, seed=seed))
    table["window"] = [f"step {index // 6}" for index in table["index"]]
    moved = table.copy()
    for name in ("start_ns", "end_ns"):
        moved.loc[moved["rank"] == ranks - 1, name] += shift_ns
    before, after = joined(table), joined(moved)
    assert pairs(before) == pairs(after)
    assert before.instances[TOLD].equals(after.instances[TOLD])
    assert before.stalls == after.stalls
    assert before.breakdown == after.breakdown
    assert before.clock is not None
    assert after.clock is not None
    change = {rank: after.clock.offsets_ns[rank] - one for rank, one in before.clock.offsets_ns.items()}
    assert change == {rank: -shift_ns if rank == ranks - 1 else 0 for rank in range(ranks)}
