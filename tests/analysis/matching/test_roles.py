"""Roles that no record says: by the members matching proved, the hook that issued, the way between stages."""

from __future__ import annotations

import pandas as pd
import pytest

from commscope.analysis.matching import with_roles
from commscope.analysis.rank import analyze_rank
from commscope.schema import EventKind
from commscope.trace import CommFacts, Lane, ProcessGroup
from tests.analysis.tables import table
from tests.build import Row, trace_of

GLOO = "cpu:gloo"
WORLD = ProcessGroup("0", "default_pg", (0, 1, 2, 3), GLOO)
MESH = (WORLD, *(ProcessGroup(str(n), d, r, GLOO) for n, d, r in (
    (1, "mesh_dp", (0, 2)), (2, "mesh_dp", (1, 3)), (3, "mesh_tp", (0, 1)), (4, "mesh_tp", (2, 3)),
)))  # fmt: skip


def matched(members: tuple[int, ...] | None, **facts: object) -> pd.DataFrame:
    """One instance of these members."""
    rows = [
        {"rank": rank, "start_ns": 0, "end_ns": 9, "group_ranks": members, "phase": "forward"} | facts
        for rank in (members or (0, 1))
    ]
    made = table(rows)
    return made.assign(instance=pd.array([0] * len(made), "Int64"))


def roles(members: tuple[int, ...] | None, groups: tuple[ProcessGroup, ...], **facts: object) -> set[object]:
    found = with_roles(matched(members, **facts), groups)["role"]
    return {None if pd.isna(role) else role for role in found}


@pytest.mark.parametrize(("members", "role"), [((0, 1), "tp"), ((2, 3), "tp"), ((1, 3), "dp")])
def test_members_of_one_axis_alone_are_of_that_axis(members: tuple[int, ...], role: str) -> None:
    assert roles(members, MESH) == {role}


def test_what_an_axis_of_tensor_parallelism_gathers_is_sequence_parallel() -> None:
    assert roles((0, 1), MESH, collective="all_gather") == {"sp"}


@pytest.mark.parametrize("members", [(0, 1, 2, 3), (0, 3), None])
def test_members_of_no_axis_have_no_role(members: tuple[int, ...] | None) -> None:
    assert roles(members, MESH) == {None}


def test_members_of_two_axes_have_no_role() -> None:
    assert roles((0, 1), (*MESH, ProcessGroup("9", "mesh_cp", (0, 1), GLOO))) == {None}


def test_a_group_that_moves_nothing_names_no_axis() -> None:
    fake = ProcessGroup("19", "mesh_efsdp", (0, 1), "cpu:fake,cuda:fake")
    assert roles((0, 1), (fake,)) == {None}
    assert roles((0, 1), (*MESH, fake)) == {"tp"}


def test_around_the_model_the_default_group_of_the_same_members_is_as_likely() -> None:
    groups = (ProcessGroup("0", "default_pg", (0, 1), GLOO), ProcessGroup("1", "mesh_tp", (0, 1), GLOO))
    assert roles((0, 1), groups, phase="backward") == {"tp"}
    assert roles((0, 1), groups, phase="other") == {None}


def test_what_is_said_stays_and_a_barrier_or_a_group_of_its_own_is_not_guessed() -> None:
    assert roles((0, 1), MESH, role="loss") == {"loss"}
    assert roles((0, 1), MESH, collective="barrier") == {None}
    assert roles((0, 1), MESH, group="7") == {None}


MAIN, WORKER, AUTOGRAD = Lane("1", "main"), Lane("1", "gloo"), Lane("1", "autograd")
SHAPE = CommFacts(shapes=((8,),), dtypes=("float32",))


def reduced_inside(node: str) -> object:
    """The role of an all_reduce that a node of autograd's thread issued."""
    rows = [
        Row(0, 100, EventKind.OP, f"autograd::engine::evaluate_function: {node}", AUTOGRAD),
        Row(10, 20, EventKind.OP, "c10d::allreduce_", AUTOGRAD, facts=SHAPE),
        Row(30, 60, EventKind.ANNOTATION, "gloo:all_reduce", WORKER, facts=SHAPE),
    ]
    (role,) = analyze_rank(trace_of(rows, backend="gloo", world_size=2)).instances["role"]
    return None if pd.isna(role) else role


def test_a_reducer_reduces_from_hooks_of_gradients_and_tensor_parallel_layers_from_nodes() -> None:
    assert reduced_inside("torch::autograd::AccumulateGrad") == "dp"
    assert reduced_inside("_CopyToParallelRegionBackward") is None


def test_messages_between_stages_are_of_the_pipeline_and_those_of_a_ring_are_not() -> None:
    def message(kind: str, start: int) -> list[Row]:
        name = {"send": "c10d::send", "recv": "c10d::recv_"}[kind]
        facts = CommFacts(shapes=((8,),), dtypes=("float32", "", "", ""), concrete=("", "", "1", "0"))
        return [
            Row(start, start + 5, EventKind.OP, name, MAIN, facts=facts),
            Row(start + 1, start + 4, EventKind.ANNOTATION, f"gloo:{kind}", MAIN, facts=SHAPE),
        ]

    def found(*messages: list[Row]) -> set[object]:
        node = Row(50, 60, EventKind.OP, "autograd::engine::evaluate_function: MmBackward0", AUTOGRAD)
        rows = [*(row for rows in messages for row in rows), node]
        groups = (ProcessGroup("0", "default_pg", (0, 1), GLOO),)
        made = analyze_rank(trace_of(rows, backend="gloo", world_size=2, groups=groups))
        return {None if pd.isna(role) else role for role in made.instances["role"]}

    assert found(message("send", 0), message("recv", 40), message("recv", 80)) == {"pp"}
    assert found(message("send", 0), message("recv", 10), message("send", 20), message("recv", 30)) == {None}
