"""Categories of Kineto, old and new: takes a category as written, gives the EventKind; lanes of events."""

from __future__ import annotations

from commscope.readers.chrome.event import Args, Event
from commscope.readers.files.values import as_int
from commscope.schema import NO_VALUE, EventKind
from commscope.trace import Lane

_NO_ARGS = Args()

KINDS = {
    "cpu_op": EventKind.OP,
    "operator": EventKind.OP,
    "op": EventKind.OP,
    "user_annotation": EventKind.ANNOTATION,
    "cuda_runtime": EventKind.RUNTIME,
    "cuda_driver": EventKind.RUNTIME,
    "runtime": EventKind.RUNTIME,
    "driver": EventKind.RUNTIME,
    "hip_runtime": EventKind.RUNTIME,
    "xpu_runtime": EventKind.RUNTIME,
    "xpu_driver": EventKind.RUNTIME,
    "mtia_runtime": EventKind.RUNTIME,
    "privateuse1_runtime": EventKind.RUNTIME,
    "privateuse1_driver": EventKind.RUNTIME,
    "kernel": EventKind.KERNEL,
    "gpu_memcpy": EventKind.MEMCPY,
    "memcpy": EventKind.MEMCPY,
    "gpu_memset": EventKind.MEMSET,
    "memset": EventKind.MEMSET,
    "gpu_user_annotation": EventKind.DEVICE_ANNOTATION,
    "cuda_sync": EventKind.SYNC,
    "python_function": EventKind.PYTHON,
}
ON_DEVICE = frozenset(
    {
        EventKind.KERNEL,
        EventKind.MEMCPY,
        EventKind.MEMSET,
        EventKind.DEVICE_ANNOTATION,
        EventKind.SYNC,
        EventKind.GRAPH,
    }
)


def kind_of(cat: str | None) -> int:
    """The kind of a category, NO_VALUE where it is none of ours."""
    return int(KINDS.get((cat or "").strip().lower(), NO_VALUE))


def lane_of(row: Event, on_device: bool) -> Lane:
    """The lane of an event; device and stream by its arguments, else by the numbers in process and thread."""
    process, thread = _spoken(row.pid), _spoken(row.tid)
    if not on_device:
        return Lane(process, thread)
    args = row.args or _NO_ARGS
    device, stream = as_int(args.device), as_int(args.stream)
    return Lane(
        process,
        thread,
        device=_last_number(process) if device is None or device < 0 else device,
        stream=_last_number(thread) if stream is None or stream < 0 else stream,
    )


def _spoken(label: int | str | None) -> str:
    return "" if label is None else str(label)


def _last_number(text: str) -> int:
    digits = "".join(char if char.isdecimal() else " " for char in text).split()
    return int(digits[-1][:18]) if digits else 0
