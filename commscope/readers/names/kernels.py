"""Which kernels communicate, by name: takes the name of a kernel, gives what it surely is.

NCCL and RCCL name kernels after the collective (old releases differently from new). PyTorch's symmetric
memory, DeepEP and its kin, vLLM, sglang, aiter, TensorRT-LLM and user buffers have names of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from commscope.schema import Collective

LONGEST_NAME = 1_000  # what stands behind it is not looked at: a hostile name cannot keep a pattern busy
NCCL_KERNEL = re.compile(r"\b(?:nccl|rccl|msccl)(?:pp)?\w*kernel\w*", re.IGNORECASE)
# Kernels that communicate without NCCL; where the kind is None it is the first word in the name.
_OTHERS = (
    (re.compile(r"multimem_\w*(?:reduce|gather|scatter)"), None),
    (re.compile(r"(?:one|two)_?shot_?(?:all_?reduce|reduce_?scatter)", re.IGNORECASE), None),
    (re.compile(r"\bint(?:er|ra)node(?:_ll)?::(?:cached_notify\w*|barrier)\b"), Collective.BARRIER),
    (
        re.compile(r"\b(?:int(?:er|ra)node(?:_ll)?|hybrid_ep)::(?:notify_)?(?:dispatch|combine)(?:_kernel)?\b"),
        Collective.ALL_TO_ALL,
    ),
    (re.compile(r"\bEp(?:Dispatch|Combine)\w*Kernel|\bmoe_?A2A(?:Dispatch|Combine)", re.IGNORECASE),
     Collective.ALL_TO_ALL),
    (re.compile(r"cross_device_reduce|quickreduce::|all_?reduce_fusion_kernel"), Collective.ALL_REDUCE),
    (re.compile(r"(?:lamport|trtllm)_?\w*all_?reduce", re.IGNORECASE), Collective.ALL_REDUCE),
    (
        re.compile(r"\bk?userbuffers_|\bnvshmem|\b(?:oneccl|hccl|hcom|mscclpp|ccl)(?:::|_)", re.IGNORECASE),
        None,
    ),
)  # fmt: skip
# A kernel whose own name (not its template arguments) is that of a collective; what packs inputs is not.
_SPOKEN = re.compile(r"all_?reduce|all_?gather|reduce_?scatter|all_?to_?all", re.IGNORECASE)
_LOCAL = re.compile(
    r"copy|pack|permut|split|cat_|input|output|prepar|scale|quant|order|transpos|layout|index|offset|size",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Talk:
    """That a kernel communicates: the part of its name that says how, and the kind where it is known."""

    spoken: str
    kind: Collective | None = None


def talk_of(name: str) -> Talk | None:
    """What a kernel's name says of communication, None where it computes."""
    if name.startswith("triton_"):  # inductor names fused kernels after the collectives around them
        return None
    match = NCCL_KERNEL.search(name)
    if match:
        return Talk(match.group())
    for pattern, kind in _OTHERS:
        found = pattern.search(name)
        if found:
            return Talk(name[found.start() :].partition("(")[0], kind)
    plain = name.replace("(anonymous namespace)::", "")
    own = re.split(r"[<(]", plain, maxsplit=1)[0].split(":")[-1].split(" ")[-1]
    return Talk(own) if _SPOKEN.search(own) and not _LOCAL.search(own) else None
