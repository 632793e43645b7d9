from __future__ import annotations

from pathlib import Path

import pandas as pd

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.schema import INSTANCE_COLUMNS
from commscope.trace import RunInfo
from tests.build import build

GROUPS = {"a": (0, 1), "b": (2, 3), "all": (0, 1, 2, 3)}
SIZES = {0: (64, 128, 256), 1: (64, 128, 256), 2: (512, 1024, 96), 3: (512, 1024, 96)}
LINES = [
    f"r{rank}: "
    + " | ".join(f"all_reduce {20 * i}-{20 * i + 10 + rank % 2} bytes={size}" for i, size in enumerate(sizes))
    for rank, sizes in SIZES.items()
]


def joined(lines: list[str], world_size: int) -> pd.DataFrame:
    traces = build(*lines, style="gloo", facts=False, groups=GROUPS)
    run = RunInfo("run", Path("run"), world_size=world_size)
    return join(run, [analyze_rank(trace) for trace in traces]).instances


def test_matched_ranks_are_the_members_of_a_group_no_record_names():
    table = joined(LINES, 4)
    assert table["instance"].notna().all()
    assert table["group_ranks"].tolist() == [(0, 1)] * 6 + [(2, 3)] * 6
    assert table["wire_bytes"].tolist() == table["payload_bytes"].tolist()  # 2 (n - 1) / n = 1 for two ranks
    assert {name: str(table[name].dtype) for name in INSTANCE_COLUMNS} == INSTANCE_COLUMNS


def test_with_a_rank_missing_the_members_stay_unknown():
    assert joined(LINES[:3], 4)["group_size"].isna().all()
