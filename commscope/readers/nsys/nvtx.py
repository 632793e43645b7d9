"""NVTX ranges as nsys exports them: takes text and payload, gives name, kind, numbers and CommFacts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from commscope.readers.files.values import NOT_JSON, as_count, as_text
from commscope.readers.names.communication import facts_of, speaks_of_communication
from commscope.schema import COLLECTIVE_RANGE, NO_VALUE, EventKind
from commscope.trace import CommFacts

# torch.autograd.profiler.emit_nvtx: `name, seq = 12, op_id = 7, sizes = [[2, 3], []], input_op_ids = [...]`
_TORCH = re.compile(
    r"^(?P<name>.+?)(?:, seq = (?P<seq>\d+))?(?:, op_id = (?P<op>\d+))?"
    r"(?:, sizes = (?P<sizes>\[.*?\](?=, input_op_ids|\Z)))?(?:, input_op_ids = .*)?\Z",
    re.DOTALL,
)
_NCCL_CALL = re.compile(
    r"^nccl(AllReduce|AllGather|ReduceScatter|Broadcast|Bcast|Reduce|Send|Recv|AlltoAll|Gather|Scatter)\b"
)
_SIZE_KEYS = ("Message size [bytes]", "Bytes", "bytes", "size")
_GROUP_KEYS = ("NCCL communicator ID", "comm", "commHash", "Communicator")
_PEER_KEYS = ("Peer rank", "Peer", "peer")


@dataclass(frozen=True, slots=True)
class Range:
    """One NVTX range, told apart."""

    name: str
    kind: EventKind
    external_id: int = NO_VALUE
    sequence: int = NO_VALUE
    facts: CommFacts | None = None


def parse_range(text: str, payload: Mapping[str, Any], value: int | None) -> Range:
    """The range behind a row: `payload` is NCCL's structure, `value` our own payload bytes."""
    call = _NCCL_CALL.match(text)
    if call is not None:
        return Range(text, EventKind.ANNOTATION, facts=_nccl_facts(call[1], payload))
    if text.startswith(COLLECTIVE_RANGE):
        facts = facts_of(text, {})
        if facts is not None and value is not None and facts.message_bytes is None:
            facts = replace(facts, message_bytes=value)
        return Range(text.partition("|")[0], EventKind.ANNOTATION, facts=facts)
    match = _TORCH.match(text)
    if match is None or (match["op"] is None and match["seq"] is None):
        return Range(text, EventKind.ANNOTATION)
    name = match["name"]
    kind = EventKind.ANNOTATION if name.startswith(("nccl:", "gloo:", "ProfilerStep")) else EventKind.OP
    facts = None
    if match["sizes"] is not None and speaks_of_communication(name):
        facts = facts_of(name, {"Input Dims": _sizes(match["sizes"])})
    return Range(name, kind, _number(match["op"]), _number(match["seq"]), facts)


def _nccl_facts(spoken: str, payload: Mapping[str, Any]) -> CommFacts:
    """NCCL's own ranges (nccl/src/include/nvtx_payload_schemas.h)."""
    return CommFacts(
        collective=spoken,
        group=_first_text(payload, _GROUP_KEYS),
        message_bytes=_first_count(payload, _SIZE_KEYS),
        peer=_first_count(payload, _PEER_KEYS),
    )


def _first_text(payload: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((text for key in keys if (text := as_text(payload.get(key))) is not None), None)


def _first_count(payload: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((count for key in keys if (count := as_count(payload.get(key))) is not None), None)


def _sizes(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except NOT_JSON:
        return []


def _number(text: str | None) -> int:
    return NO_VALUE if text is None or len(text) > 18 else int(text)


def parse_payload(text: str | None) -> Mapping[str, Any]:
    """The structure in `jsonText`, flattened one level; empty where there is none."""
    if not text:
        return {}
    try:
        value = msgspec.json.decode(text)
    except NOT_JSON:
        return {}
    if not isinstance(value, dict):
        return {}
    flat = {key: item for inner in value.values() if isinstance(inner, dict) for key, item in inner.items()}
    return {**flat, **value}
