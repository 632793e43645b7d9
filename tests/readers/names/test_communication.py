"""What events say of communication, in every generation of torch."""

from __future__ import annotations

import pytest

from commscope.readers.files.values import as_int, as_ints
from commscope.readers.names.communication import facts_of, speaks_of_communication
from commscope.readers.names.dtypes import canonical_dtype
from commscope.schema import DTYPE_BYTES


@pytest.mark.parametrize(
    ("spoken", "name"),
    [("Float", "float32"), ("float", "float32"), ("c10::Half", "float16"), ("Half", "float16"), ("f16", "float16"),
     ("c10::BFloat16", "bfloat16"), ("BFloat16", "bfloat16"), ("bf16", "bfloat16"), ("double", "float64"), ("Long", "int64"),
     ("long int", "int64"), ("Int", "int32"), ("unsigned char", "uint8"), ("Byte", "uint8"), ("Bool", "bool"), ("Float8_e4m3fn", "float8_e4m3fn"),
     ("c10::Float8_e5m2", "float8_e5m2"), ("Float8_e4m3fnuz", "float8_e4m3fnuz"), ("ComplexFloat", "complex64"), ("torch.bfloat16", "bfloat16"),
     ("TensorList", ""), ("", ""), ("Scalar", "")],
)  # fmt: skip
def test_dtypes_have_one_name(spoken: str, name: str) -> None:
    assert canonical_dtype(spoken) == name
    assert name in DTYPE_BYTES or not name


def test_metadata_of_today() -> None:
    args = {
        "Collective name": "_allgather_base", "In msg nelems": 8, "Out msg nelems": 16, "Group size": 2, "dtype": "BFloat16",
        "Process Group Name": "3", "Process Group Description": "tp", "Process Group Ranks": "[4, 5]", "Seq": 17,
        "Is asynchronized op": True, "Comms Id": 2**64 - 1, "In split size": "[]", "Out split size": "[]",
    }  # fmt: skip
    facts = facts_of("record_param_comms", args)
    assert facts is not None
    assert (facts.collective, facts.in_elements, facts.out_elements, facts.dtype) == (
        "_allgather_base",
        8,
        16,
        "bfloat16",
    )
    assert (facts.group, facts.group_description, facts.group_size, facts.group_ranks) == (
        "3",
        "tp",
        2,
        (4, 5),
    )
    assert (facts.seq, facts.is_async, facts.comms_id, facts.in_split) == (17, True, str(2**64 - 1), None)


def test_metadata_of_torch_2_2_under_its_old_names() -> None:
    facts = facts_of("record_param_comms", {"In msg size": 5, "Out msg size": 10, "Group size": 2})
    assert facts is not None
    assert (facts.in_elements, facts.out_elements) == (5, 10)


@pytest.mark.parametrize(
    ("listed", "start", "stride", "members"),
    [
        ("[0, 2, ...]", 0, 2, (0, 2, 4, 6)),
        ("[0, 2, ...]", 0, -1, None),
        ("[0, 3, ...]", 0, 2, None),
        ("[1, 0]", 0, 1, (1, 0)),
    ],
)
def test_cut_lists_are_completed_only_by_what_fits(
    listed: str, start: int, stride: int, members: tuple[int, ...] | None
) -> None:
    args = {"Collective name": "allreduce", "Process Group Ranks": listed, "Global rank start": start,
            "Global rank stride": stride, "Group size": 4}  # fmt: skip
    facts = facts_of("record_param_comms", args)
    assert facts is not None
    assert facts.group_ranks == members


def test_torch_2_1_says_sequence_and_size_by_position() -> None:
    args = {
        "Concrete Inputs": ["", "337", "93825114103440", "0", "", "[]", "[]", "8"],
        "Input type": ["TensorList", "Scalar", "Scalar", "Scalar", "", "ScalarList", "ScalarList", "Scalar"],
        "Input Dims": [[[4, 2048, 4096]], [], [], [], [], [], [], []],
    }  # fmt: skip
    facts = facts_of("record_param_comms", args)
    assert facts is not None
    assert (facts.seq, facts.group_size, facts.shapes[0]) == (337, 8, (4, 2048, 4096))
    wait = {"Concrete Inputs": ["337", "0", "0", "wait", "[]", "[]", "1"],
            "Input type": ["Scalar", "Scalar", "Scalar", "", "ScalarList", "ScalarList", "Scalar"]}  # fmt: skip
    facts = facts_of("record_param_comms", wait)
    assert facts is not None
    assert (facts.seq, facts.collective) == (337, "wait")


def test_an_unknown_layout_of_positions_says_nothing_of_sequence() -> None:
    args = {"Concrete Inputs": ["", "5", "x"], "Input type": ["TensorList", "Scalar", "Scalar"]}
    facts = facts_of("record_param_comms", args)
    assert facts is not None
    assert (facts.seq, facts.group_size) == (None, None)


def test_ops_give_shapes_of_lists_flattened() -> None:
    args = {"Input Dims": [[[2048], [2048]], [[1024], [1024]], [], []], "Input type": ["TensorList", "TensorList", "", "Scalar"],
            "Concrete Inputs": ["", "", "", "True"]}  # fmt: skip
    facts = facts_of("c10d::allgather_into_tensor_coalesced_", args)
    assert facts is not None
    assert facts.shapes == ((2048,), (2048,), (1024,), (1024,), (), ())
    assert facts.is_async is True


@pytest.mark.parametrize("appended", [False, True])
def test_our_own_ranges_say_all_facts(appended: bool) -> None:
    said = {
        "op": "sum",
        "role": "tp",
        "group": "tp",
        "size": 2,
        "dtype": "float32",
        "elements": 131072,
        "seq": 7,
        "async": False,
    }
    name = "commscope:collective:all_reduce"
    spoken = name + "".join(f"|{key}={value}" for key, value in said.items()) if appended else name
    facts = facts_of(spoken, {} if appended else said)
    assert facts is not None
    assert (facts.collective, facts.role, facts.group, facts.group_size) == ("all_reduce", "tp", "tp", 2)
    assert (facts.dtype, facts.in_elements, facts.out_elements, facts.seq, facts.is_async) == (
        "float32",
        131072,
        131072,
        7,
        False,
    )


@pytest.mark.parametrize("name", ["ncclDevKernel_Generic", "gloo:all_reduce", "c10d::send", "_c10d_functional::wait_tensor",
                                  "symm_mem::fused_all_gather_matmul", "multimem_all_reduce_kernel", "two_shot_all_reduce_kernel"])  # fmt: skip
def test_names_that_may_carry_facts(name: str) -> None:
    assert speaks_of_communication(name)
    assert facts_of(name, {}) is None


@pytest.mark.parametrize("args", [{"Input Dims": "x"}, {"Input Dims": [1, "a", None, [[1, "b"]]]}, {"Collective name": [], "dtype": {}},
                                  {"Process Group Ranks": {"a": 1}, "Collective name": 5}, {"Input type": [1, None], "Concrete Inputs": 3}])  # fmt: skip
def test_nonsense_in_arguments_is_survived(args: dict[str, object]) -> None:
    facts_of("record_param_comms", args)


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), ("5", 5), (5.0, 5), (5.5, None), ("five", None), (2**63, None), (None, None), ([], None)],
)
def test_integers(value: object, number: int | None) -> None:
    assert as_int(value) == number


def test_lists_of_ranks() -> None:
    assert as_ints("[0, 1, 2]") == as_ints([0, "1", 2.0]) == (0, 1, 2)
    assert as_ints("[0, 1, ...]") is None
    assert as_ints([0, "x"]) is None
