"""Waits of collectives that can be matched in several ways: told as far as all ways agree, and the truth among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from commscope.analysis.join import join
from commscope.analysis.result import Analysis
from commscope.analysis.summary import collective_totals
from commscope.schema import CAPTURE
from commscope.trace import RunInfo
from tests.analysis.tables import EPOCH_NS, US, analyses, table

PAIRS, ROWS, ALL = ((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 1, 2, 3),)
GROUPS = {"all": (0, 1, 2, 3), "tp0": (0, 1), "tp1": (2, 3), "dp0": (0, 2), "dp1": (1, 3)}
LONG = 1 << 20


def steps_of(seed: int, last: tuple[tuple[int, ...], ...], steps: int = 3) -> tuple[pd.DataFrame, np.ndarray]:
    """Four ranks: in each step all-reduces of the pairs on two threads each, then a long one on a thread of its own
    over `last`, whose members the trace does not tell: its ends scatter. Gives the table and the true wait of each row.
    """
    random = np.random.default_rng(seed)
    now = np.zeros(4)
    rows: list[dict[str, object]] = []
    truth: list[int] = []
    for step in range(steps):
        for members in PAIRS:  # the pairs run apart
            now[list(members)] += random.uniform(0, 9_000)
        for k in range(9):
            for members in PAIRS if k < 8 else last:
                at = list(members)
                start = now[at] + random.uniform(100, 2_000, len(at))
                now[at] = (
                    start.max()
                    + (300 if k < 8 else 20_000)
                    + random.uniform(0, 50 if k < 8 else 9_000, len(at))
                )
                for rank, begin in zip(members, start, strict=True):
                    rows.append(
                        {
                            "rank": rank,
                            "start_ns": EPOCH_NS + round(begin * US),
                            "end_ns": EPOCH_NS + round(now[rank] * US),
                            "payload_bytes": 4096 if k < 8 else LONG,
                            "window": f"step {step}",
                            "stream": f"pair {k % 2}" if k < 8 else "other",
                        }
                    )
                    truth.append(round(start.max() * US) - round(begin * US))
    order = sorted(range(len(rows)), key=lambda one: rows[one]["rank"])  # type: ignore[arg-type,return-value]
    return table([rows[one] for one in order]), np.array(truth)[order]


def joined(made: pd.DataFrame) -> Analysis:
    hosts = dict.fromkeys(range(4), "n")
    ranks = analyses(made, hosts=hosts, groups=GROUPS, world_size=4, backend="gloo")
    return join(RunInfo("run", Path("run"), world_size=4), ranks)


@pytest.mark.parametrize("last", [ROWS, ALL])
def test_the_true_wait_lies_among_what_all_ways_agree_on(last: tuple[tuple[int, ...], ...]) -> None:
    ranges = 0
    for seed in range(12):
        made, truth = steps_of(seed, last)
        analysis = joined(made)
        rows = analysis.instances
        long = (rows["payload_bytes"] == LONG).to_numpy()
        assert rows.loc[~long, "instance"].notna().all(), seed
        proved = rows["wait_ns"].notna().to_numpy()
        assert (abs(rows["wait_ns"][proved] - truth[proved]) <= 1).all(), seed
        told = (rows["most_wait_ns"].notna() & rows["instance"].isna()).to_numpy()
        assert (rows["least_wait_ns"][told] <= truth[told] + 1).all(), seed
        assert (rows["most_wait_ns"][told] >= truth[told] - 1).all(), seed
        assert rows.loc[told, ["wait_ns", "transfer_ns", "culprit"]].isna().all(axis=None)
        ranges += told.sum()
        assert ((rows["most_wait_ns"] - rows["least_wait_ns"])[told] < 15_000 * US).all(), seed
        for row in analysis.breakdown:
            parts = (row.exposed_wait_ns, row.exposed_transfer_ns, row.exposed_unknown_ns)
            assert sum(part or 0 for part in parts) == row.exposed_ns
        totals = collective_totals(analysis, CAPTURE)
        parts = totals[["known_wait_ns", "known_transfer_ns", "unknown_ns"]].fillna(0).sum(axis=1)
        assert (parts == totals["duration_ns"]).all()
    assert ranges >= 100  # of 144 rows


def test_where_a_member_of_a_group_it_may_be_was_not_recorded_nothing_is_told() -> None:
    made, _ = steps_of(1, ROWS)
    rows = joined(made[made["rank"] < 3].reset_index(drop=True)).instances
    assert rows.loc[rows["payload_bytes"] == LONG, "most_wait_ns"].isna().all()
