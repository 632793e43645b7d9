"""What an event says of communication: takes its name and arguments as recorded, gives CommFacts or None."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from commscope.readers.files.claims import MOST_LISTED, believed, even_steps
from commscope.readers.files.values import as_count, as_flag, as_int, as_ints, as_text
from commscope.readers.names.dtypes import canonical_dtype
from commscope.schema import COLLECTIVE_RANGE
from commscope.trace import CommFacts, ProcessGroup

LARGEST_GROUP = 1 << 17  # members that a start and a stride complete, ten times those of any communicator
PARAM_COMMS = "record_param_comms"
# Kernels and host ranges whose arguments may speak of communication.
_SPEAKS = re.compile(
    r"record_param_comms|nccl|rccl|^gloo:|c10d|^ucc:|^mpi:|^xccl:|^hccl:|symm_mem|multimem_|_shot_all_reduce|^commscope:collective:"
    r"|^\w+::\w*(?:all_?reduce|all_?gather|reduce_?scatter|all_?to_?all)",
    re.IGNORECASE,
)
_COLLECTIVE_KEYS = ("Collective name", "In msg nelems", "In msg size", "Process Group Name", "Comms Id")


def speaks_of_communication(name: str) -> bool:
    """Whether an event of this name can carry facts about communication."""
    return _SPEAKS.search(name) is not None


def facts_of(name: str, args: Mapping[str, Any]) -> CommFacts | None:
    """The facts an event carries, or None where it says nothing."""
    if name.startswith(COLLECTIVE_RANGE):
        return _range_facts(name, args)
    shapes, dtypes, concrete = _inputs(args)
    if any(key in args for key in _COLLECTIVE_KEYS):
        return _metadata_facts(args, shapes, dtypes, concrete)
    if name == PARAM_COMMS:
        return _legacy_facts(shapes, dtypes, concrete, args.get("Input type", args.get("Input Type")))
    if shapes or any(dtypes) or any(concrete):
        return CommFacts(
            shapes=shapes, dtypes=dtypes, concrete=concrete, is_async=_said_async(name, concrete)
        )
    return None


def _metadata_facts(
    args: Mapping[str, Any],
    shapes: tuple[tuple[int, ...], ...],
    dtypes: tuple[str, ...],
    concrete: tuple[str, ...],
) -> CommFacts:
    """torch >= 2.2: named facts (torch/csrc/profiler/util.cpp, saveNcclMeta)."""
    return CommFacts(
        collective=as_text(args.get("Collective name")),
        in_elements=_first(args, as_count, "In msg nelems", "In msg size"),
        out_elements=_first(args, as_count, "Out msg nelems", "Out msg size"),
        dtype=canonical_dtype(str(args.get("dtype", ""))) or None,
        group=as_text(args.get("Process Group Name")),
        group_description=as_text(args.get("Process Group Description")),
        group_size=as_count(args.get("Group size")) or None,
        group_ranks=_members(args),
        seq=as_count(args.get("Seq")),
        is_async=as_flag(args.get("Is asynchronized op")),
        comms_id=as_text(args.get("Comms Id")),
        src=as_count(args.get("Src Rank")),
        dst=as_count(args.get("Dst Rank")),
        in_split=as_ints(args.get("In split size")) or None,
        out_split=as_ints(args.get("Out split size")) or None,
        shapes=shapes,
        dtypes=dtypes,
        concrete=concrete,
    )


def _members(args: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The listed members; a list cut at 30 is completed from start and even stride."""
    listed = as_ints(args.get("Process Group Ranks"))
    if listed is not None:
        return listed or None
    start, stride = as_count(args.get("Global rank start")), as_count(args.get("Global rank stride"))
    size = as_count(args.get("Group size"))
    if start is None or not stride or not size or size > LARGEST_GROUP:
        return None
    if believed(start + (size - 1) * stride + 1) is None:
        return None
    members = even_steps(start, stride, size)
    shown = as_ints(str(args.get("Process Group Ranks", "[]")).replace("...", ""))
    return members if shown is not None and members[: len(shown)] == shown else None


def _first(args: Mapping[str, Any], convert: Any, *keys: str) -> int | None:
    for key in keys:
        if key in args:
            number = convert(args[key])
            return None if number is None else int(number)
    return None


def _range_facts(name: str, args: Mapping[str, Any]) -> CommFacts:
    """Our own recorder's range: facts as arguments, or appended to its name as |key=value."""
    spoken, *appended = name.removeprefix(COLLECTIVE_RANGE).split("|")
    said: dict[str, Any] = {str(key).lower(): value for key, value in args.items()}
    for pair in appended:
        key, _, value = pair.partition("=")
        said[key.strip().lower()] = value
    elements = as_count(said.get("elements"))
    return CommFacts(
        collective=spoken,
        in_elements=elements,
        out_elements=elements,
        dtype=canonical_dtype(str(said.get("dtype", ""))) or None,
        group=as_text(said.get("group")),
        group_description=as_text(said.get("group")),
        group_size=as_count(said.get("size")) or None,
        group_ranks=as_ints(said.get("ranks")) or None,
        seq=as_count(said.get("seq")),
        is_async=as_flag(said.get("async")),
        role=as_text(said.get("role")),
        peer=as_count(said.get("peer")),
    )


def _legacy_facts(
    shapes: tuple[tuple[int, ...], ...],
    dtypes: tuple[str, ...],
    concrete: tuple[str, ...],
    spoken_types: Any,
) -> CommFacts | None:
    """torch <= 2.1: facts by position, `[tensors,] seq, group pointer, rank, name, in split, out split[,
    group size]`.

    Source: torch/csrc/distributed/c10d/ParamCommsUtils.hpp, RECORD_PARAM_COMMS and RECORD_PARAM_COMMS_DATA
    of 1.13 to 2.1.
    """
    types = [str(item) for item in spoken_types] if isinstance(spoken_types, list) else []
    lead = _leading_tensors(types)
    values = concrete[lead:]
    seq = size = None
    name = None
    if types[lead : lead + 3] == ["Scalar"] * 3 and len(values) in {6, 7} and len(types) == len(concrete):
        seq = as_count(values[0])
        name = values[3] or None
        size = as_count(values[6]) if len(values) == 7 else None
    if not (shapes or any(dtypes) or any(concrete)):
        return None
    return CommFacts(
        collective=name, seq=seq, group_size=size or None, shapes=shapes, dtypes=dtypes, concrete=concrete
    )


def _leading_tensors(types: list[str]) -> int:
    return 1 if types and types[0] != "Scalar" else 0


def _said_async(name: str, concrete: tuple[str, ...]) -> bool | None:
    """`asyncOp` is the one True or False among the scalars of a c10d op (torch >= 2.4)."""
    if not name.startswith("c10d::"):
        return None
    flags = [value for value in concrete if value in {"True", "False"}]
    return flags[0] == "True" if len(flags) == 1 else None


def _inputs(
    args: Mapping[str, Any],
) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...], tuple[str, ...]]:
    dims = args.get("Input Dims", args.get("Input dims"))
    types = args.get("Input type", args.get("Input Type"))
    concrete = args.get("Concrete Inputs")
    return (
        _shapes(dims),
        tuple(canonical_dtype(item) if isinstance(item, str) else "" for item in _items(types)),
        tuple(item if isinstance(item, str) else "" for item in _items(concrete)),
    )


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _shapes(dims: Any) -> tuple[tuple[int, ...], ...]:
    """Input Dims with lists of tensors flattened one level; [] stands for a scalar or nothing."""
    shapes: list[tuple[int, ...]] = []
    for item in _items(dims):
        if not isinstance(item, list):
            continue
        if item and all(isinstance(part, list) for part in item):
            shapes.extend(shape for part in item if (shape := as_ints(part)) is not None)
        elif (shape := as_ints(item)) is not None:
            shapes.append(shape)
    return tuple(shapes)


def groups_of(distributed: Mapping[str, Any]) -> tuple[ProcessGroup, ...]:
    """`pg_config` of distributedInfo; ranks as a list from Python, as text from Kineto's on-demand path."""
    config = distributed.get("pg_config")
    rows = config if isinstance(config, list) else []
    world_size = world_size_of(distributed)
    left = MOST_LISTED
    groups = []
    for row in rows:
        if not isinstance(row, dict):
            continue
        name = as_text(row.get("pg_name"))
        ranks = as_ints(row.get("ranks"))
        if ranks is None and world_size is not None and as_count(row.get("pg_size")) == world_size <= left:
            ranks = even_steps(0, 1, world_size)
            left -= world_size
        if name is None or ranks is None:
            continue
        groups.append(
            ProcessGroup(
                name, as_text(row.get("pg_desc")) or "", ranks, as_text(row.get("backend_config")) or ""
            )
        )
    return tuple(groups)


def world_size_of(distributed: Mapping[str, Any]) -> int | None:
    """World size, where distributedInfo says one that can be."""
    return believed(as_count(distributed.get("world_size")))


def rank_of(distributed: Mapping[str, Any]) -> int | None:
    """Rank, where distributedInfo says one."""
    number = as_int(distributed.get("rank"))
    return number if number is not None and number >= 0 else None
