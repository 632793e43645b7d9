"""Categories of Kineto, old and new: takes a category as written, gives the EventKind."""

from __future__ import annotations

from commscope.schema import NO_VALUE, EventKind

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
