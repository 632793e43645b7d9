"""Every layout of the built-in workloads by name: what `make layouts` and the tests go through."""

from __future__ import annotations

from dataclasses import dataclass, replace

from commscope.trace import Layout, ModelShape

SMALL_GPT = ModelShape("gpt", 2, 32, 64, 4, 4, vocab=64, seq=16, batch=2, dtype="float64")
SMALL_LLAMA = ModelShape("llama", 2, 32, 48, 4, 4, vocab=64, seq=16, batch=2, dtype="float64")


@dataclass(frozen=True, slots=True)
class Case:
    """One layout of one model."""

    name: str
    layout: Layout
    model: ModelShape = SMALL_GPT
    tolerance: float = 1e-12  # relative, of loss and gradients against the single process

    @property
    def ranks(self) -> int:
        """How many ranks it takes."""
        return self.layout.tp * self.layout.dp


def cases() -> tuple[Case, ...]:
    """All of them, at most four ranks each."""
    return (*_plain(), *_variants(), *_recompute(), *_dtensor(), *_data_parallel(), *_dtypes())


def _plain() -> tuple[Case, ...]:
    families = (SMALL_GPT, SMALL_LLAMA)
    return tuple(
        Case(f"{model.family} tp{tp}{'+sp' if sp else ''}", Layout(tp=tp, sp=sp), model)
        for model in families
        for tp in (2, 4)
        for sp in (False, True)
    )


def _variants() -> tuple[Case, ...]:
    grouped = replace(SMALL_LLAMA, kv_heads=2)
    return (
        Case("gpt tp2+sp keep gathered", Layout(tp=2, sp=True, sp_keep_gathered=True)),
        Case("gpt tp2 unfused", Layout(tp=2, fused=False)),
        Case("llama tp2 unfused", Layout(tp=2, fused=False), SMALL_LLAMA),
        Case("llama tp2+sp unfused", Layout(tp=2, sp=True, fused=False), SMALL_LLAMA),
        Case("gpt tp2 overlap", Layout(tp=2, overlap=True)),
        Case("gpt tp2+sp overlap", Layout(tp=2, sp=True, overlap=True)),
        Case("gpt tp2+sp keep gathered, overlap", Layout(tp=2, sp=True, sp_keep_gathered=True, overlap=True)),
        Case("llama tp2, 2 kv heads", Layout(tp=2), grouped),
        Case("llama tp4, 2 kv heads", Layout(tp=4), grouped),
        Case("llama tp4+sp, 2 kv heads", Layout(tp=4, sp=True), grouped),
        Case("llama tp4+sp, 1 kv head", Layout(tp=4, sp=True), replace(SMALL_LLAMA, kv_heads=1)),
        Case("gpt tp2+sp, 3 microbatches", Layout(tp=2, sp=True), replace(SMALL_GPT, microbatches=3)),
    )


def _recompute() -> tuple[Case, ...]:
    kinds = ("full", "full-nonreentrant", "full-no-early-stop", "selective")
    return (
        *(
            Case(f"gpt tp2{'+sp' if sp else ''} recompute {kind}", Layout(tp=2, sp=sp, recompute=kind))
            for kind in kinds
            for sp in (False, True)
        ),
        Case("gpt tp2+sp recompute first layer", Layout(tp=2, sp=True, recompute="full", recompute_layers=1)),
        Case(
            "gpt tp2 recompute full, saved distributed", Layout(tp=2, recompute="full", distribute_saved=True)
        ),
        Case(
            "llama tp4, 2 kv heads, recompute full",
            Layout(tp=4, recompute="full"),
            replace(SMALL_LLAMA, kv_heads=2),
        ),
    )


def _dtensor() -> tuple[Case, ...]:
    both = [(model, sp) for model in (SMALL_GPT, SMALL_LLAMA) for sp in (False, True)]
    plans = {
        "": Layout(tp=2, impl="dtensor"),
        ", each input by itself": Layout(tp=2, impl="dtensor", fused=False),
        ", recompute": Layout(tp=2, impl="dtensor", recompute="full-nonreentrant"),
    }
    return tuple(
        Case(f"{model.family} tp2{'+sp' if sp else ''} dtensor{name}", replace(layout, sp=sp), model)
        for name, layout in plans.items()
        for model, sp in both
    )


def _data_parallel() -> tuple[Case, ...]:
    kinds = ("ddp", "zero1", "fsdp2")
    return (
        *(Case(f"gpt dp2 {kind}", Layout(dp=2, dp_kind=kind)) for kind in kinds),
        *(
            Case(f"gpt tp2{'+sp' if sp else ''} x dp2 {kind}", Layout(tp=2, sp=sp, dp=2, dp_kind=kind))
            for kind in kinds
            for sp in (False, True)
        ),
        Case(
            "gpt tp2 x dp2 ddp, 2 microbatches",
            Layout(tp=2, dp=2, dp_kind="ddp"),
            replace(SMALL_GPT, microbatches=2),
        ),
    )


def _dtypes() -> tuple[Case, ...]:
    """Sums in another order differ by the precision of the dtype."""
    tolerances = {"float32": 1e-5, "bfloat16": 5e-2}
    return tuple(
        Case(f"{model.family} tp2+sp {dtype}", Layout(tp=2, sp=True), replace(model, dtype=dtype), tolerance)
        for model in (SMALL_GPT, SMALL_LLAMA)
        for dtype, tolerance in tolerances.items()
    )
