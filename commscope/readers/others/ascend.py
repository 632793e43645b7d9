"""trace_view.json of torch_npu and msprof (Ascend): processes named by what they show, times as text -> Told.

Tasks of the cores are compute, `hcom_...__group_index_...` of the process `Communication` are collectives,
operators and step marks stand under `Python`. Counts are HCCL's: of one rank's input for all_gather, of its
output for reduce_scatter.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from commscope.errors import UnreadableTrace
from commscope.readers.files.blocks import Damage
from commscope.readers.files.values import as_count, as_text
from commscope.readers.names.dtypes import canonical_dtype
from commscope.readers.others.chrome_list import arguments_of, events_of, span_ns
from commscope.readers.others.told import Activity, Member, OtherFormat, Told
from commscope.schema import EventKind, Source
from commscope.trace import CommFacts, Gap, Lane

_HCOM = re.compile(r"hcom_(\w+?)__(\w+?)(?:_\d+)*")
_COPIES = ("MEMCPY", "SDMA", "PCIE_DMA")
_COMPUTE = ("AI_CORE", "AI_CPU", "AIV", "AIC", "MIX", "VECTOR", "KERNEL", "DSA", "FFTS")
_DTYPES = {"fp16": "float16", "fp32": "float32", "fp64": "float64", "bfp16": "bfloat16"}


def sniff(path: Path, head: bytes) -> bool:
    """Whether the first processes are those of an NPU."""
    marks = (b'"Ascend Hardware"', b'"CANN"', b'"hcom_', b'"NPU"')
    return head.lstrip()[:1] in (b"[", b"{") and (
        any(mark in head for mark in marks) or path.name == "trace_view.json"
    )


def tell(path: Path, damage: Damage) -> Told:
    """One rank. Raises UnreadableTrace where no process is known."""
    events = list(events_of(path, damage))
    shows = _processes(events)
    if not set(shows.values()) & {"device", "communication"}:
        raise UnreadableTrace(
            "a trace of Ascend without work of a device",
            where=str(path),
            hint="profile with ProfilerActivity.NPU at level 1 or higher",
        )
    found = [_activity(event, shows) for event in events if event.get("ph") == "X"]
    bad = sum(one is _BAD for one in found)
    activities = tuple(one for one in found if isinstance(one, Activity))
    return Told((Member("", activities),), backend="hccl", bad=bad)


def _processes(events: list[dict[str, Any]]) -> dict[object, str]:
    """What each process shows."""
    names = {
        str(event.get("pid")): str(event["args"].get("name", ""))
        for event in events
        if event.get("name") == "process_name" and isinstance(event.get("args"), dict)
    }
    return {pid: kind for pid, name in names.items() for mark, kind in _SHOWS if mark in name}


_SHOWS = (
    ("Ascend Hardware", "device"),
    ("Communication", "communication"),
    ("Python", "host"),
    ("CANN", "runtime"),
)
_BAD = object()


def _activity(event: dict[str, Any], shows: dict[object, str]) -> Activity | object | None:
    kind = shows.get(str(event.get("pid")))
    if kind is None:
        return None
    span, name = span_ns(event), as_text(event.get("name"))
    if span is None or name is None:
        return _BAD
    said = arguments_of(event)
    process, thread = str(event.get("pid")), str(event.get("tid"))
    host = Lane(process, thread, label=f"thread {thread}")
    if kind == "device":
        what = _task(as_text(said.get("Task Type")) or "")
        lane = Lane(process, thread, 0, as_count(event.get("tid")) or 0, f"stream {thread}")
        return None if what is None else Activity(what, name, *span, lane)
    if kind == "communication":
        match = _HCOM.match(name)
        if match is None:
            return None  # the tasks a collective is made of, shown below it
        lane = Lane(process, match.group(2), 0, as_count(event.get("tid")) or 0, f"group {match.group(2)}")
        return Activity(EventKind.KERNEL, name, *span, lane, _facts(match, said))
    if kind == "host":
        is_mark = name.startswith(("ProfilerStep#", "Optimizer.", "commscope:"))
        return Activity(EventKind.ANNOTATION if is_mark else EventKind.OP, name, *span, host)
    return None


def _task(spoken: str) -> EventKind | None:
    """What a task of the device is; waits, notifications and what a collective is made of occupy nothing."""
    plain = spoken.upper()
    if plain.startswith(_COPIES) or "MEMCPY" in plain:
        return EventKind.MEMCPY
    return EventKind.KERNEL if any(mark in plain for mark in _COMPUTE) else None


def _facts(match: re.Match[str], said: dict[str, Any]) -> CommFacts:
    kind = match.group(1)
    count = as_count(said.get("count"))
    spoken = (as_text(said.get("data_type")) or "").lower()
    plain = kind.lower()
    return CommFacts(
        collective=kind,
        in_elements=None if plain.startswith("reducescatter") else count,
        out_elements=None if plain.startswith("allgather") else count,
        dtype=_DTYPES.get(spoken) or canonical_dtype(spoken) or None,
    )


FORMAT = OtherFormat(
    "ascend",
    "Ascend trace_view",
    Source.ASCEND,
    sniff,
    tell,
    gaps=(
        Gap("no_groups", "HCCL's trace does not name the members of a group", serious=False,
            cost="ranks match by their order; wire bytes need the size of the group"),
    ),
)  # fmt: skip
