"""Operators that start communication: takes an operator's name and shapes, gives kind and sizes.

Argument layouts are those of torch/csrc/distributed/c10d/Ops.cpp and SymmetricMemory.cpp: T a tensor, L a
list of tensors, N a list of lists (whose shapes the profiler does not record).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod

from commscope.schema import Collective
from commscope.trace import CommFacts

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OpKind:
    """What an operator does: its kind and the layout of its leading arguments, outputs first."""

    collective: Collective
    arguments: str


@dataclass(frozen=True, slots=True)
class OpSizes:
    """Elements of each input and output tensor, None where the layout hides them."""

    inputs: tuple[int, ...] | None
    outputs: tuple[int, ...] | None


_OPS = {
    "c10d::allreduce_": OpKind(Collective.ALL_REDUCE, "L"),
    "c10d::allreduce_coalesced_": OpKind(Collective.ALL_REDUCE, "L"),
    "c10d::_allgather_base_": OpKind(Collective.ALL_GATHER, "TT"),
    "c10d::allgather_": OpKind(Collective.ALL_GATHER, "NL"),
    "c10d::allgather_coalesced_": OpKind(Collective.ALL_GATHER, "NL"),
    "c10d::allgather_into_tensor_coalesced_": OpKind(Collective.ALL_GATHER, "LL"),
    "c10d::_reduce_scatter_base_": OpKind(Collective.REDUCE_SCATTER, "TT"),
    "c10d::reduce_scatter_": OpKind(Collective.REDUCE_SCATTER, "LN"),
    "c10d::reduce_scatter_tensor_coalesced_": OpKind(Collective.REDUCE_SCATTER, "LL"),
    "c10d::alltoall_base_": OpKind(Collective.ALL_TO_ALL, "TT"),
    "c10d::alltoall_": OpKind(Collective.ALL_TO_ALL, "LL"),
    "c10d::broadcast_": OpKind(Collective.BROADCAST, "L"),
    "c10d::reduce_": OpKind(Collective.REDUCE, "L"),
    "c10d::gather_": OpKind(Collective.GATHER, "NL"),
    "c10d::scatter_": OpKind(Collective.SCATTER, "LN"),
    "c10d::send": OpKind(Collective.SEND, "L"),
    "c10d::recv_": OpKind(Collective.RECV, "L"),
    "c10d::recv_any_source_": OpKind(Collective.RECV, "L"),
    "c10d::barrier": OpKind(Collective.BARRIER, ""),
    "c10d::monitored_barrier_": OpKind(Collective.BARRIER, ""),
}
_SYMMETRIC = re.compile(r"symm_mem::\w*(all_?reduce|all_?gather|reduce_?scatter|all_?to_?all)")
# Operators of other libraries: vLLM's _C_custom_ar::all_reduce, flashinfer's trtllm_allreduce_fusion, ...
_OTHERS = re.compile(
    r"(?!_?c10d|symm_mem::|aten::|fsdp::)\w+::(?!\w*matmul)\w*?(all_?reduce|all_?gather|reduce_?scatter|all_?to_?all)"
)
_KINDS = {
    "allreduce": Collective.ALL_REDUCE,
    "allgather": Collective.ALL_GATHER,
    "reducescatter": Collective.REDUCE_SCATTER,
    "alltoall": Collective.ALL_TO_ALL,
}


def op_kind(name: str) -> OpKind | None:
    """What an operator communicates, or None; `wait_tensor` and other helpers move nothing themselves."""
    known = _OPS.get(name)
    if known:
        return known
    match = _SYMMETRIC.match(name)
    if match is None:
        other = _OTHERS.match(name)
        return OpKind(_KINDS[other.group(1).replace("_", "")], "own tensor") if other else None
    kind = _KINDS[match.group(1).replace("_", "")]
    if "matmul" not in name:
        return OpKind(kind, "plain")
    return OpKind(kind, "gather matmul" if kind == Collective.ALL_GATHER else "matmul scatter")


def op_sizes(op: OpKind, facts: CommFacts | None) -> OpSizes:
    """Elements of an operator's tensors, from the shapes and the number of its arguments."""
    if facts is None or not op.arguments or not facts.shapes:
        return OpSizes(None, None)
    if op.arguments == "own tensor":
        return _own_tensor(op.collective, [prod(shape) for shape in facts.shapes if shape])
    if op.arguments in _SYMMETRIC_SIZES:
        return _SYMMETRIC_SIZES[op.arguments]([shape for shape in facts.shapes if shape])
    shapes = _tensors(op.arguments, facts)
    if "L" in op.arguments and not any(shapes):
        return OpSizes(None, None)  # a list of scalars, or a torch that did not record the shapes of lists
    return _by_layout(op.arguments, tuple(prod(shape) for shape in shapes))


def whole_elements(kind: str, sizes: OpSizes, group_size: int | None) -> int | None:
    """nccl-tests' S in elements: max of input and output; where the whole is hidden, n shards."""
    if kind == Collective.BARRIER:
        return 0
    whole, shard = sizes.inputs, sizes.outputs
    if kind in _GATHERED:
        whole, shard = shard, whole
    if kind in _GATHERED or kind in _SCATTERED:
        if whole is None:
            return sum(shard) * group_size if shard is not None and group_size else None
        return max(sum(whole), sum(shard or ()))
    sides = [sum(side) for side in (whole, shard) if side is not None]
    return max(sides) if sides else None


def _tensors(layout: str, facts: CommFacts) -> tuple[Shape, ...]:
    """Shapes of the tensors of the leading arguments; scalars behind them left an empty shape each."""
    shapes = facts.shapes
    if not facts.dtypes:
        return tuple(shape for shape in shapes if shape) or shapes[:1]
    shapes = shapes[: max(len(shapes) - max(len(facts.dtypes) - len(layout), 0), 0)]
    if layout == "NL":
        shapes = shapes[1:]
    elif layout == "LN":
        shapes = shapes[:-1]
    return shapes


def _by_layout(layout: str, sizes: tuple[int, ...]) -> OpSizes:
    if not sizes:
        return OpSizes(None, None)
    if layout == "NL":
        return OpSizes(sizes, None)
    if layout == "LN":
        return OpSizes(None, sizes)
    if layout in {"TT", "LL"}:
        half = len(sizes) // 2
        return OpSizes(sizes[half:], sizes[:half]) if half else OpSizes(sizes, sizes)
    return OpSizes(sizes, sizes)


def is_of_other_library(name: str) -> bool:
    """Whether an operator communicates but is neither torch's own nor of its symmetric memory."""
    kind = op_kind(name)
    return kind is not None and kind.arguments == "own tensor"


def named_group(facts: CommFacts | None) -> str | None:
    """The group among the arguments of another library's operator: vLLM and sglang write `tp:0`."""
    said = facts.concrete if facts is not None else ()
    return next((value for value in said if _GROUP.fullmatch(value)), None)


_GROUP = re.compile(r"[a-z]\w*:\d+")


def _own_tensor(kind: Collective, sizes: list[int]) -> OpSizes:
    """The first tensor is what a rank gives; several tensors do not tell a shard from the whole."""
    if not sizes or (len(sizes) > 1 and kind in (*_GATHERED, *_SCATTERED)):
        return OpSizes(None, None)
    return OpSizes((sizes[0],), None)


def _plain(shapes: list[Shape]) -> OpSizes:
    """An operator on one buffer, with or without an output of its own."""
    sizes = [prod(shape) for shape in shapes]
    return OpSizes((sizes[0],), (max(sizes),)) if sizes else OpSizes(None, None)


def _gather_matmul(shapes: list[Shape]) -> OpSizes:
    """fused_all_gather_matmul(A_shard, Bs, ...): gathers A."""
    return OpSizes((prod(shapes[0]),), None) if shapes else OpSizes(None, None)


def _matmul_scatter(shapes: list[Shape]) -> OpSizes:
    """fused_matmul_reduce_scatter(A, B, ...): scatters A @ B."""
    if len(shapes) < 2:
        return OpSizes(None, None)
    return OpSizes((prod(shapes[0][:-1]) * shapes[1][-1],), None)


_SYMMETRIC_SIZES = {"plain": _plain, "gather matmul": _gather_matmul, "matmul scatter": _matmul_scatter}
_GATHERED = (Collective.ALL_GATHER, Collective.GATHER)
_SCATTERED = (Collective.REDUCE_SCATTER, Collective.SCATTER)
