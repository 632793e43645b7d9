"""Execution traces of torch (ExecutionTraceObserver) and Chakra's form of them: a graph of operators -> Told.

They hold calls, shapes, dtypes and groups in the order of the program, and no times. Source:
torch/csrc/profiler/standalone/execution_trace_observer.cpp, schema 1.x.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from commscope.errors import UnreadableTrace
from commscope.readers.files.blocks import Damage, whole
from commscope.readers.files.values import NOT_JSON, as_count, as_ints, as_text
from commscope.readers.names.communication import PARAM_COMMS, facts_of
from commscope.readers.names.dtypes import canonical_dtype
from commscope.readers.others.told import Activity, Communicator, Member, OtherFormat, Told
from commscope.schema import EventKind, Source
from commscope.trace import CommFacts, Gap, Lane

_LARGEST_BYTES = 2 << 30
_START = re.compile(rb'\A\s*\{[^\[\{]{0,2000}"schema"\s*:\s*"\d[^\[]{0,4000}"nodes"\s*:\s*\[')
_GROUPS = "## process_group:init ##"
_DTYPE = re.compile(r"Tensor\(([\w:]+)\)")
_ATTRIBUTES = {
    "collective_name": "Collective name",
    "in_msg_nelems": "In msg nelems",
    "out_msg_nelems": "Out msg nelems",
    "in_split_size": "In split size",
    "out_split_size": "Out split size",
    "dtype": "dtype",
    "pg_name": "Process Group Name",
    "pg_desc": "Process Group Description",
    "pg_size": "Group size",
    "is_asynchronized_op": "Is asynchronized op",
}
_NODE_NS = 10


def sniff(path: Path, head: bytes) -> bool:
    """Whether the first bytes are those of a graph of operators."""
    del path
    return _START.match(head) is not None


def tell(path: Path, damage: Damage) -> Told:
    """The calls of one rank. Raises UnreadableTrace where there is none."""
    nodes = _nodes(path, damage)
    groups = _groups(nodes)
    spoken_for = {as_count(node.get("ctrl_deps")) for node in nodes if node.get("name") == PARAM_COMMS}
    only = groups[0] if len(groups) == 1 else None
    found = [_call(node, at, spoken_for, only) for at, node in enumerate(nodes)]
    activities = tuple(one for one in found if one is not None)
    if not activities:
        raise UnreadableTrace(
            "an execution trace in which nothing communicates",
            where=str(path),
            hint="observe a step of a distributed program, after the process groups were made",
        )
    return Told((Member("", activities, groups),))


def _nodes(path: Path, damage: Damage) -> list[dict[str, Any]]:
    text = whole(path, damage, _LARGEST_BYTES)
    if text is None:
        raise UnreadableTrace(
            "the execution trace is larger than 2 GiB", where=str(path), hint="observe one step"
        )
    try:
        said = msgspec.json.decode(text)
    except NOT_JSON as error:
        raise UnreadableTrace(
            "an execution trace that breaks off or is damaged", where=str(path), hint="observe again"
        ) from error
    rows = said.get("nodes") if isinstance(said, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _groups(nodes: list[dict[str, Any]]) -> tuple[Communicator, ...]:
    """The groups as torch lists them when the observer starts."""
    found: dict[str, Communicator] = {}
    for node in nodes:
        if node.get("name") != _GROUPS:
            continue
        for value in _values(node):
            try:
                rows = msgspec.json.decode(value) if isinstance(value, str) else value
            except NOT_JSON:
                continue
            for row in rows if isinstance(rows, list) else ():
                one = _group(row) if isinstance(row, dict) else None
                if one is not None:
                    found[one.name] = one
    return tuple(found.values())


def _group(row: dict[str, Any]) -> Communicator | None:
    """An empty list of ranks is the whole world."""
    name, size = as_text(row.get("pg_name")), as_count(row.get("group_size"))
    listed = as_ints(row.get("ranks")) or ()
    if name is None or not size or size > 1 << 17:
        return None
    return Communicator(name, size, None, as_text(row.get("pg_desc")) or "", listed or tuple(range(size)))


def _values(node: dict[str, Any]) -> list[Any]:
    inputs = node.get("inputs")
    values = inputs.get("values") if isinstance(inputs, dict) else None
    return values if isinstance(values, list) else []


def _call(
    node: dict[str, Any], at: int, spoken_for: set[int | None], only: Communicator | None
) -> Activity | None:
    """A record of communication, or an operator of c10d without one inside; `only`: the only group."""
    name = as_text(node.get("name")) or ""
    if name == PARAM_COMMS:
        facts = _recorded(node)
    elif name.startswith("c10d::") and as_count(node.get("id")) not in spoken_for:
        facts = _shown(name, node)
    else:
        return None
    if facts is None:
        return None
    if facts.group is None and only is not None:
        facts = replace(facts, group=only.name, group_size=only.size, group_ranks=only.members)
    start_ns = at * _NODE_NS
    return Activity(EventKind.OP, name, start_ns, start_ns + 1, Lane("0", "0"), facts)


def _recorded(node: dict[str, Any]) -> CommFacts | None:
    rows = node.get("attrs")
    said = {
        _ATTRIBUTES[str(row.get("name"))]: row.get("value")
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and str(row.get("name")) in _ATTRIBUTES
    }
    return facts_of(PARAM_COMMS, said) if said.get("Collective name") else None


def _shown(name: str, node: dict[str, Any]) -> CommFacts | None:
    inputs = node.get("inputs")
    said = inputs if isinstance(inputs, dict) else {}
    types = said.get("types")
    spoken = [str(one) for one in types] if isinstance(types, list) else []
    values = [str(value) if isinstance(value, int | float | str) else "" for value in _values(node)]
    shapes = said.get("shapes")
    dims = [_as_kineto(one) for one in shapes] if isinstance(shapes, list) else []
    facts = facts_of(name, {"Input Dims": dims, "Input type": spoken, "Concrete Inputs": values})
    dtypes = {found for one in spoken for found in _DTYPE.findall(one)}
    if facts is None:
        return None
    return replace(facts, dtype=canonical_dtype(dtypes.pop()) or None) if len(dtypes) == 1 else facts


def _as_kineto(shape: Any) -> Any:
    """A list of lists of tensors leaves one empty shape in Kineto, whose layouts of arguments are known."""
    is_nested = isinstance(shape, list) and any(
        isinstance(one, list) and any(isinstance(part, list) for part in one) for one in shape
    )
    return [] if is_nested else shape


FORMAT = OtherFormat(
    "execution_trace",
    "execution trace",
    Source.EXECUTION_TRACE,
    sniff,
    tell,
    gaps=(
        Gap("communication_only", "an execution trace holds calls, not when anything ran",
            cost="no times: counts, bytes and groups only",
            hint="name the trace that torch.profiler exported beside it"),
    ),
)  # fmt: skip
