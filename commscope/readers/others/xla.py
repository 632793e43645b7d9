"""Chrome traces of XLA (JAX, TensorFlow): one process for several devices, events without categories -> Told.

Operations carry `hlo_op`; on GPUs they run on the streams of a process `/device:GPU:n`, on CPU on threads
that say the device by `device_ordinal`. A collective is told by its HLO name and the run it belongs to; sizes
are not recorded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commscope.errors import UnreadableTrace
from commscope.readers.files.blocks import Damage
from commscope.readers.files.values import as_count, as_text
from commscope.readers.others.chrome_list import arguments_of, events_of, span_ns
from commscope.readers.others.told import Activity, Member, OtherFormat, Told
from commscope.schema import EventKind, Source
from commscope.trace import CommFacts, Gap, Lane

_DEVICE = re.compile(r"/device:(?:GPU|TPU|CUDA|ROCM):(\d{1,6})")
_COLLECTIVE = re.compile(
    r"(all-reduce|all-gather|reduce-scatter|all-to-all|ragged-all-to-all|collective-broadcast|collective-permute)"
)
_NOT_OURS = re.compile(r"(?:steps|xla modules|framework|source|tensorflow|launch stats|async)", re.IGNORECASE)


def sniff(path: Path, head: bytes) -> bool:
    """Whether the first bytes are those of the profiler of XLA."""
    del path
    marks = (b'"/host:CPU"', b'"/device:GPU:', b'"/device:TPU:', b"XLAPjRt", b'"highres-ticks"')
    return head.lstrip()[:1] == b"{" and any(mark in head for mark in marks)


def tell(path: Path, damage: Damage) -> Told:
    """One rank a device. Raises UnreadableTrace where no device ran anything."""
    events = list(events_of(path, damage))
    lanes = _Lanes.of(events)
    by_device: dict[int, list[Activity]] = {}
    bad = 0
    for event in events:
        if event.get("ph") != "X":
            continue
        device = lanes.device(event)
        if device is None:
            continue
        activity = _operation(event, device)
        if activity is None:
            bad += 1
        else:
            by_device.setdefault(device, []).append(activity)
    if not by_device:
        raise UnreadableTrace(
            "a trace of JAX/XLA without operations of a device",
            where=str(path),
            hint="record with jax.profiler.start_trace around steps that run on the devices",
        )
    members = tuple(
        Member(str(device), tuple(found), rank=device) for device, found in sorted(by_device.items())
    )
    backend = "nccl" if lanes.on_gpu else None
    return Told(members, host="one process" if len(members) > 1 else None, backend=backend, bad=bad)


class _Lanes:
    """Which rows of the timeline are a device's operations."""

    def __init__(self, devices: Mapping[str, int], others: frozenset[tuple[str, str]]) -> None:
        self.devices, self.others = devices, others
        self.on_gpu = bool(devices)

    @classmethod
    def of(cls, events: list[dict[str, Any]]) -> _Lanes:
        """From the names of processes and threads."""
        devices, others = {}, set()
        for event in events:
            name = str(arguments_of(event).get("name", ""))
            pid = str(event.get("pid"))
            found = _DEVICE.match(name)
            if event.get("name") == "process_name" and found is not None:
                devices[pid] = int(found.group(1))
            elif event.get("name") == "thread_name" and _NOT_OURS.match(name):
                others.add((pid, str(event.get("tid"))))
        return cls(devices, frozenset(others))

    def device(self, event: dict[str, Any]) -> int | None:
        """The device an operation ran on; None for what is none."""
        said = arguments_of(event)
        name = str(event.get("name", ""))
        if self.devices:
            pid = str(event.get("pid"))
            return None if (pid, str(event.get("tid"))) in self.others else self.devices.get(pid)
        if not said.get("hlo_op") or name.startswith("end: "):
            return None
        return as_count(said.get("device_ordinal"))


def _operation(event: dict[str, Any], device: int) -> Activity | None:
    span, name = span_ns(event), as_text(event.get("name"))
    if span is None or name is None:
        return None
    said = arguments_of(event)
    thread = str(event.get("tid"))
    lane = Lane(str(event.get("pid")), thread, device, as_count(event.get("tid")) or 0, f"device {device}")
    hlo = as_text(said.get("hlo_op")) or name
    match = _COLLECTIVE.match(hlo)
    if match is None:
        kind = EventKind.MEMCPY if name.lower().startswith("memcpy") else EventKind.KERNEL
        return Activity(kind, name, *span, lane)
    run = as_count(said.get("run_id"))
    kind_spoken = {"collective-permute": "send_recv", "collective-broadcast": "broadcast"}.get(
        match.group(1), match.group(1).replace("ragged-", "").replace("-", "_")
    )
    facts = CommFacts(
        collective=kind_spoken,
        group=f"{as_text(said.get('hlo_module')) or 'module'}/{hlo}",
        seq=run,
    )
    return Activity(EventKind.KERNEL, name, *span, lane, facts)


FORMAT = OtherFormat(
    "xla",
    "JAX/XLA",
    Source.XLA,
    sniff,
    tell,
    gaps=(
        Gap("no_sizes", "XLA's trace does not say how much its collectives move", serious=False,
            cost="payload and wire bytes are not told"),
    ),
)  # fmt: skip
