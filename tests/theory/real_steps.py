"""Steps that other people measured, as published: what the plan is held against."""

from __future__ import annotations

from dataclasses import dataclass

from commscope.theory.policy import Policy
from commscope.trace import Layout, ModelShape


@dataclass(frozen=True)
class Real:
    """One published row; memory in bytes."""

    name: str
    layout: Layout
    model: ModelShape
    time_ms: float
    memory_bytes: float


# vuiseng9/megatron-tutorials, 02-tp-sp.md: 8 x H100, Megatron core 0.14, bf16, flash attention, tied head.
GPT_POLICY = Policy("flash", fused_mlp=True, tied=True)
_SIZES = {"1.2B": (40, 1536, 16), "2.5B": (54, 1920, 20), "4.2B": (64, 2304, 24), "8.3B": (72, 3072, 32)}
_GPT = (
    ("R1", 8, "1.2B", 1, 43.5, 209), ("R2", 8, "2.5B", 2, 46.8, 273), ("R3", 8, "4.2B", 4, 42.6, 310),
    ("R4", 8, "8.3B", 8, 46.4, 329), ("R5", 20, "1.2B", 1, 78.1, 400), ("R6", 20, "2.5B", 2, 77.7, 475),
    ("R7", 20, "4.2B", 4, 72.1, 450), ("R8", 20, "8.3B", 8, 80.6, 512), ("R11", 8, "1.2B", 1, 43.5, 210),
    ("R12", 8, "1.2B", 2, 27.6, 200), ("R13", 8, "1.2B", 4, 17.2, 200), ("R14", 8, "1.2B", 8, 13.3, 205),
    ("R15", 20, "1.2B", 1, 78.1, 390), ("R16", 20, "1.2B", 2, 46.5, 259), ("R17", 20, "1.2B", 4, 30.9, 207),
    ("R18", 20, "1.2B", 8, 23.3, 207),
)  # fmt: skip
B22 = ModelShape("gpt", 48, 6144, 24576, 64, 64, 51200, 2048, 4, dtype="bfloat16")


def _gpt(size: str, batch: int) -> ModelShape:
    layers, hidden, heads = _SIZES[size]
    return ModelShape("gpt", layers, hidden, 4 * hidden, heads, heads, 51200, 1024, batch, dtype="bfloat16")


H100_STEPS = (
    *(
        Real(name, Layout(tp=tp), _gpt(size, batch), time, gb * 1e9)
        for name, batch, size, tp, gb, time in _GPT
    ),
    Real("C2", Layout(tp=8, sp=True), B22, 427, 62.0e9),
    Real("C3", Layout(tp=8, recompute="full"), B22, 570, 57.6e9),
)

# MooreThreads/SimuMax, docs/b200 at 4dcaae51: 8 x B200, llama3-70b cut to 12 layers, bf16, distributed optimizer.
LLAMA_POLICY = Policy("flash", fused_mlp=True, fused_loss=True, dropout=False)
_LLAMA = (
    # tp pp dp cp seq   GiB     {microbatches: ms}
    (1, 2, 4, 1, 4096, 66.55, {4: 843.0, 8: 1476.8, 32: 5436.5}),
    (2, 1, 4, 1, 4096, 60.68, {4: 725.5, 8: 1387.0, 32: 5376.5}),
    (4, 1, 2, 1, 4096, 39.07, {4: 409.8, 8: 765.6, 32: 2964.6}),
    (8, 1, 1, 1, 4096, 28.29, {4: 280.9, 8: 556.7, 32: 2073.7}),
    (2, 1, 1, 4, 32768, 68.43, {4: 1758.0}),
    (1, 1, 1, 8, 32768, 104.51, {4: 1768.1}),
    (2, 1, 1, 4, 131072, 112.67, {4: 11315.7}),
    (1, 1, 1, 8, 131072, 147.99, {4: 11301.9}),
)


def _llama(seq: int, microbatches: int) -> ModelShape:
    return ModelShape("llama", 12, 8192, 28672, 64, 8, 128256, seq, 1, microbatches, "bfloat16")


B200_STEPS = tuple(
    Real(
        f"tp{tp} pp{pp} dp{dp} cp{cp} seq{seq} m{m}",
        Layout(tp=tp, sp=tp > 1, pp=pp, dp=dp, cp=cp, dp_kind="zero1"),
        _llama(seq, m),
        time,
        gib * 2**30,
    )
    for tp, pp, dp, cp, seq, gib, times in _LLAMA
    for m, time in times.items()
)
