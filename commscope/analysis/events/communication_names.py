"""What names say about communication.

Takes names of kernels, operators and ranges, gives Collective kinds.

Which kernels communicate is told in readers/names/kernels.py; some only say that they do.
"""

from __future__ import annotations

import re

from commscope.readers.names.kernels import NCCL_KERNEL, talk_of
from commscope.schema import COLLECTIVE_RANGE, Collective

_WORDS = (
    ("reducescatter", Collective.REDUCE_SCATTER),
    ("allreduce", Collective.ALL_REDUCE),
    ("allgather", Collective.ALL_GATHER),
    ("alltoall", Collective.ALL_TO_ALL),
    ("all2all", Collective.ALL_TO_ALL),
    ("sendrecv", Collective.SEND_RECV),
    ("pointtopoint", Collective.SEND_RECV),
    ("coalesced", Collective.SEND_RECV),
    ("broadcast", Collective.BROADCAST),
    ("barrier", Collective.BARRIER),
    ("gather", Collective.GATHER),
    ("scatter", Collective.SCATTER),
    ("reduce", Collective.REDUCE),
    ("send", Collective.SEND),
    ("recv", Collective.RECV),
)
_BY_WORD = dict(_WORDS)
_WORD = re.compile("|".join(word for word, _ in _WORDS))
_NOT_ISSUED = (
    "wait",
    "init",
    "split",
    "group",
    "abort",
    "destroy",
)  # records of torch and NCCL that move nothing

_NCCL_DTYPE = re.compile(
    r"_(f8e4m3|f8e5m2|f16|bf16|f32|f64|i8|u8|i32|u32|i64|u64|half|float|double|u?int(?:8|32|64)_t"
    r"|__nv_bfloat16|hip_bfloat16|rccl_bfloat16)(?:\b|_)"
)
_NCCL_DTYPES = {
    "f8e4m3": "float8_e4m3fn",
    "f8e5m2": "float8_e5m2",
    "f16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "__nv_bfloat16": "bfloat16",
    "hip_bfloat16": "bfloat16",
    "rccl_bfloat16": "bfloat16",
    "f32": "float32",
    "float": "float32",
    "f64": "float64",
    "double": "float64",
    "i8": "int8",
    "int8_t": "int8",
    "u8": "uint8",
    "uint8_t": "uint8",
    "i32": "int32",
    "int32_t": "int32",
    "u32": "uint32",
    "uint32_t": "uint32",
    "i64": "int64",
    "int64_t": "int64",
    "u64": "uint64",
    "uint64_t": "uint64",
}
_RANGE = re.compile(r"(?:nccl|rccl|gloo|ucc|mpi|xccl|hccl):(\w+)|(?:nccl|rccl)([A-Z]\w+)")


def spoken_kind(text: str | None) -> Collective | None:
    """The kind a record names (`_allgather_base`, `all_to_allv`); None for wait, init and the like."""
    if not text:
        return None
    plain = text.replace("_", "").lower()
    if plain.startswith(_NOT_ISSUED):
        return None
    match = _WORD.search(plain)
    return _BY_WORD[match.group()] if match else None


def kernel_kind(name: str) -> Collective | None:
    """The kind a kernel's name tells, UNKNOWN where it surely communicates, None where it computes."""
    talk = talk_of(name)
    return None if talk is None else talk.kind or spoken_kind(talk.spoken) or Collective.UNKNOWN


def kernel_dtype(name: str) -> str | None:
    """The dtype in the name of an NCCL kernel that reduces; the others move bytes, whatever the name says."""
    match = NCCL_KERNEL.search(name)
    if match is None or "reduce" not in match.group().lower():
        return None
    found = _NCCL_DTYPE.search(match.group())
    return _NCCL_DTYPES[found.group(1)] if found else None


def range_kind(name: str) -> Collective | None:
    """The kind a host range around a launch names: `nccl:all_reduce`, NCCL's own `ncclAllReduce`, or ours."""
    if name.startswith(COLLECTIVE_RANGE):
        return spoken_kind(name.removeprefix(COLLECTIVE_RANGE).partition("|")[0])
    match = _RANGE.fullmatch(name.split(" ", maxsplit=1)[0])
    return spoken_kind(match.group(1) or match.group(2)) if match else None


def is_gloo_work(name: str) -> bool:
    """Whether a range is gloo doing a collective on the host."""
    return name.startswith("gloo:")
