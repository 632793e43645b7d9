"""Sizes that one member recorded and another did not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from commscope.analysis.join import join
from commscope.analysis.join_gaps import still_missing
from commscope.schema import INSTANCE_COLUMNS
from commscope.trace import Gap, RunInfo
from tests.analysis.matching.test_match import row
from tests.analysis.tables import analyses, table

SIZE = {"payload_bytes": 4096, "elements": 1024, "dtype": "float32", "wire_bytes": 4096}
NOTHING = dict.fromkeys(SIZE)


def joined(*rows: dict[str, object]) -> pd.DataFrame:
    made = table(rows)
    return join(RunInfo("run", Path("run"), world_size=2), analyses(made, world_size=2)).instances


@pytest.mark.parametrize("kind", ["all_reduce", "unknown"])
def test_what_one_member_recorded_of_an_instance_holds_for_the_others(kind: str) -> None:
    facts = {"group": "tp", "group_ranks": (0, 1), "group_size": 2, "seq": 1}
    found = joined(row(0, 0, 10, **facts, **SIZE), row(1, 0, 10, collective=kind, **facts, **NOTHING))
    assert found["instance"].tolist() == [0, 0]
    assert found["collective"].tolist() == ["all_reduce"] * 2
    for name, value in SIZE.items():
        assert found[name].tolist() == [value] * 2, name
    assert {name: found[name].dtype for name in INSTANCE_COLUMNS} == table([]).dtypes.to_dict()


def test_a_receive_is_as_large_as_its_send_and_sends_nothing() -> None:
    step = {"window": "step 1", "is_p2p": True}
    found = joined(
        row(0, 0, 10, collective="send", peer=1, **step, **SIZE),
        row(1, 5, 12, collective="recv", peer=0, **step, **NOTHING),
    )
    assert found["payload_bytes"].tolist() == [4096, 4096]
    assert found["wire_bytes"].tolist() == [4096, 0]


def test_an_uneven_all_to_all_tells_nothing_of_the_other_members() -> None:
    facts = {"group": "ep", "group_ranks": (0, 1), "group_size": 2, "seq": 1, "collective": "all_to_all"}
    found = joined(row(0, 0, 10, **facts, **SIZE), row(1, 0, 10, **facts, **NOTHING))
    assert found["instance"].tolist() == [0, 0]
    assert found["payload_bytes"].isna().tolist() == [False, True]


def test_a_gap_of_sizes_counts_what_is_missing_after_all() -> None:
    gaps = (Gap("sizes_missing", "2 of 3 collectives have no size", (1,)), Gap("other", "stays", (1,)))
    made = pd.DataFrame({"rank": [1, 1, 1], "payload_bytes": pd.array([1, None, 3], "Int64")})
    assert [one.message for one in still_missing(gaps, made)] == ["1 of 3 collectives have no size", "stays"]
    assert [one.code for one in still_missing(gaps, made.fillna(7))] == ["other"]
