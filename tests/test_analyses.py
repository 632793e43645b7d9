"""The made analyses keep the laws that real ones keep."""

from __future__ import annotations

from itertools import pairwise

import pytest

from commscope.schema import INSTANCE_COLUMNS, MATCH_COLUMNS
from commscope.trace import Layout
from tests.analyses import Call, make_analysis


@pytest.mark.parametrize("sp", [False, True])
def test_a_made_step_is_a_partition_and_its_path_is_as_long_as_it(sp: bool) -> None:
    made = make_analysis(layout=Layout(tp=2, sp=sp), late_ns={1: 5_000}, overlapped=0.25)
    for row in made.breakdown:
        assert row.span_ns == row.compute_ns + row.exposed_ns + row.copy_ns + row.idle_ns
        assert row.exposed_ns == row.exposed_wait_ns + row.exposed_transfer_ns
    for path in made.critical_paths:
        assert path.length_ns == sum(path.by_kind_ns.values()) == sum(path.by_rank_ns.values())
        assert all(a.end_ns == b.start_ns for a, b in pairwise(path.parts))


def test_waits_and_transfers_are_those_of_the_recipe() -> None:
    made = make_analysis(calls=(Call("all_reduce", 1000),), steps=2, late_ns={1: 700}, gb_per_s=1.0)
    assert list(made.instances.columns) == [*INSTANCE_COLUMNS, *MATCH_COLUMNS]
    assert set(made.instances["transfer_ns"]) == {3000}
    assert {(s.window, s.victim, s.culprit, s.wait_ns) for s in made.stalls} == {
        ("capture", 0, 1, 1400),
        ("step 0", 0, 1, 700),
        ("step 1", 0, 1, 700),
    }
