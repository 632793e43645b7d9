from __future__ import annotations

import pandas as pd

from commscope.analysis.rank import analyze_rank
from commscope.schema import EventKind
from commscope.trace import CommFacts, Lane, ProcessGroup, RankTrace
from tests.build import Row, build, trace_of

MAIN = Lane("1", "main")
WORKERS = (Lane("1", "w0"), Lane("1", "w1"))
ALL_RANKS = (ProcessGroup("0", "default_pg", (0, 1)),)


def table(trace: RankTrace) -> pd.DataFrame:
    return analyze_rank(trace).instances


def issued(start: int, name: str, facts: CommFacts) -> Row:
    return Row(start, start + 1, EventKind.OP, name, MAIN, facts=facts)


def worked(start: int, end: int, name: str, *shapes: tuple[int, ...], worker: int = 0) -> Row:
    facts = CommFacts(shapes=shapes, dtypes=("float32",) * len(shapes))
    return Row(start, end, EventKind.ANNOTATION, name, WORKERS[worker], facts=facts)


REDUCE = CommFacts(shapes=((8,), (), (), ()), dtypes=("", "", "", ""))
SCATTER = CommFacts(shapes=((4,), (8,), (), (), ()), dtypes=("float32", "float32", "", "", ""))
GATHER = CommFacts(shapes=((8,), (4,), (), ()), dtypes=("float32", "float32", "", ""))


def test_gloo_work_is_paired_with_its_operator_by_order_and_sizes():
    rows = [
        issued(0, "c10d::_reduce_scatter_base_", SCATTER),
        issued(2, "c10d::allreduce_", REDUCE),
        issued(4, "c10d::_allgather_base_", GATHER),
        worked(10, 30, "gloo:all_reduce", (8,), worker=0),
        worked(11, 40, "gloo:all_reduce", (8,), worker=1),
        worked(30, 50, "gloo:all_gather", (4,), worker=0),
    ]
    found = table(trace_of(rows, backend="gloo", groups=ALL_RANKS))
    assert found["collective"].tolist() == ["reduce_scatter", "all_reduce", "all_gather"]
    assert found["issue_ns"].tolist() == [0, 2, 4]
    assert found["payload_bytes"].tolist() == [32, 32, 32]
    assert found["wire_bytes"].tolist() == [16, 32, 16]


def test_gloo_work_issued_before_the_capture_stays_without_operator():
    rows = [
        worked(0, 30, "gloo:all_reduce", (8,)),
        issued(5, "c10d::_reduce_scatter_base_", SCATTER),
        worked(31, 40, "gloo:all_reduce", (8,)),
    ]
    found = table(trace_of(rows, backend="gloo", groups=ALL_RANKS))
    assert found["collective"].tolist() == ["all_reduce", "reduce_scatter"]
    assert found["issue_ns"].isna().tolist() == [True, False]


def test_reduce_scatter_of_lists_is_one_instance_of_n_reductions():
    outputs = CommFacts(shapes=((4,), (), (), (), ()), dtypes=("", "", "", "", ""))
    rows = [
        issued(0, "c10d::reduce_scatter_", outputs),
        worked(10, 30, "gloo:all_reduce", (4,), worker=0),
        worked(12, 35, "gloo:all_reduce", (4,), worker=1),
    ]
    found = table(trace_of(rows, backend="gloo", groups=ALL_RANKS))
    assert found[["start_ns", "end_ns", "payload_bytes"]].to_numpy().tolist() == [[10, 35, 32]]


def test_a_list_gather_has_no_size_where_the_group_is_not_known():
    shards = CommFacts(shapes=((), (4,), (), ()), dtypes=("", "", "", ""))
    rows = [issued(0, "c10d::allgather_", shards), worked(10, 30, "gloo:all_gather", (4,))]
    several = (ProcessGroup("1", "", (0, 1)), ProcessGroup("2", "", (0, 1, 2, 3)))
    assert table(trace_of(rows, backend="gloo", groups=several))["payload_bytes"].isna().all()
    assert table(trace_of(rows, backend="gloo", groups=ALL_RANKS))["payload_bytes"].tolist() == [32]


def test_lists_without_shapes_of_old_traces_pair_by_kind_and_take_the_works_size():
    nothing = CommFacts(shapes=((), (), ()), dtypes=("", "", ""))
    rows = [issued(0, "c10d::allreduce_", nothing), worked(10, 30, "gloo:all_reduce", (100,))]
    found = table(trace_of(rows, backend="gloo", groups=ALL_RANKS))
    assert found[["issue_ns", "payload_bytes"]].to_numpy().tolist() == [[0, 400]]


def test_a_scalar_reduction_does_not_take_the_work_of_a_large_one():
    scalar = CommFacts(shapes=((), (), (), ()), dtypes=("", "", "", ""))
    rows = [
        issued(0, "c10d::allreduce_", scalar),
        issued(2, "c10d::allreduce_", REDUCE),
        worked(10, 30, "gloo:all_reduce", (8,), worker=0),
        worked(12, 20, "gloo:all_reduce", (), worker=1),
    ]
    found = table(trace_of(rows, backend="gloo", groups=ALL_RANKS))
    assert found["payload_bytes"].tolist() == [4, 32]


def test_point_to_point_stays_on_the_calling_thread():
    facts = CommFacts(shapes=((8,), (), (), ()), dtypes=("", "", "", ""))
    rows = [
        Row(0, 20, EventKind.OP, "c10d::send", MAIN, facts=facts),
        Row(
            5,
            19,
            EventKind.ANNOTATION,
            "gloo:send",
            MAIN,
            facts=CommFacts(shapes=((8,),), dtypes=("float32",)),
        ),
    ]
    analysis = analyze_rank(trace_of(rows, backend="gloo", groups=ALL_RANKS))
    row = analysis.instances.iloc[0]
    assert (row["collective"], row["is_p2p"], row["issue_ns"], row["payload_bytes"]) == ("send", True, 0, 32)
    assert analysis.breakdown[0].compute_ns == 0


def point_to_point(start: int, name: str, peer: str) -> list[Row]:
    """An operator as torch writes it, (tensors, group, rank in the group, tag), and gloo's work inside."""
    said = CommFacts(shapes=((8,), (), (), ()), dtypes=("", "", "", ""), concrete=("", "", peer, "0"))
    work = CommFacts(shapes=((8,),), dtypes=("float32",))
    inner = "gloo:" + name.removeprefix("c10d::").rstrip("_")
    return [
        Row(start, start + 20, EventKind.OP, name, MAIN, facts=said),
        Row(start + 5, start + 19, EventKind.ANNOTATION, inner, MAIN, facts=work),
    ]


def test_the_operator_tells_whom_a_rank_sends_to_and_receives_from():
    rows = [*point_to_point(0, "c10d::send", "2"), *point_to_point(100, "c10d::recv_", "0")]
    world = (ProcessGroup("0", "default_pg", (4, 5, 6)),)
    assert table(trace_of(rows, backend="gloo", groups=world))["peer"].tolist() == [6, 4]


def test_a_rank_in_one_of_several_groups_is_nobody_yet():
    groups = (ProcessGroup("0", "default_pg", (0, 1, 2, 3)), ProcessGroup("1", "pp", (0, 2)))
    found = table(trace_of(point_to_point(0, "c10d::send", "1"), backend="gloo", groups=groups))
    assert found["peer"].isna().all()


def test_our_own_ranges_say_everything_on_gloo():
    (trace,) = build(
        "r0: reduce_scatter 0-10 bytes=64 group=tp seq=5 role=sp async=1", style="gloo", groups={"tp": (0, 1)}
    )
    row = table(trace).iloc[0]
    assert row[["collective", "evidence", "group", "group_size", "seq", "role", "payload_bytes", "wire_bytes"]].tolist() == [
        "reduce_scatter", "range", "tp", 2, 5, "sp", 64, 32,
    ]  # fmt: skip
    assert bool(row["is_async"])


def test_a_group_is_only_named_where_it_is_the_only_one():
    (one,) = build("r0: all_reduce 0-10", style="gloo", facts=False, groups={"tp": (0, 1)})
    (two,) = build("r0: all_reduce 0-10", style="gloo", facts=False, groups={"tp": (0, 1), "all": (0, 1)})
    (unlike,) = build("r0: all_reduce 0-10", style="gloo", facts=False, groups={"tp": (0, 1), "dp": (0, 2)})
    found = [table(trace).iloc[0] for trace in (one, two, unlike)]
    assert [row["group"] if isinstance(row["group"], str) else None for row in found] == ["tp", None, None]
    assert [row["group_ranks"] for row in found] == [(0, 1), (0, 1), None]
