"""What the built-in workloads keep for backward: Layout and ModelShape -> bytes by module of a layer.

The items of Korthikanti et al. 2022 as torch's own operators save them on a CPU, storage by storage:
layer_norm keeps its statistics beside its input; rms_norm is made of smaller operators and keeps the
normalized input too, in float32 at least; masked_fill keeps the causal mask; rotary positions keep their
cosines and sines, and rotated Q and K are new, so that V, a view, keeps the whole fused QKV alive.
Held against what hooks measure, to the byte, in every layout of `make layouts`.
"""

from __future__ import annotations

from dataclasses import dataclass

from commscope.schema import DTYPE_BYTES
from commscope.theory.memory.saved import checkpoint_bytes
from commscope.theory.parameters import qkv_width
from commscope.theory.tensor_parallel import FULL_RECOMPUTE, keeps_gathered
from commscope.trace import Layout, ModelShape

INPUT = "model"  # the item of a recomputed layer: what runs it keeps its input


def saved_by_module(layout: Layout, model: ModelShape, layer: int = 0) -> dict[str, int]:
    """Bytes that one layer and microbatch keeps on one rank, by the module that saves them first."""
    first = model.layers if layout.recompute_layers is None else layout.recompute_layers
    if layout.recompute in FULL_RECOMPUTE and layer < first:
        return {INPUT: round(checkpoint_bytes(layout, model))}
    part = _Part(layout, model)
    return {
        "norm1": part.norm_bytes,
        **part.inputs("attention", ("qkv",) if part.is_fused else ("q", "k", "v")),
        "attention": part.core_bytes,
        "attention.out": part.tokens * model.hidden * part.size // layout.tp,
        "norm2": part.norm_bytes,
        **part.inputs("mlp", ("up", "gate") if part.is_llama and not part.is_fused else ("up",)),
        "mlp": (3 if part.is_llama else 1) * part.wide_bytes,
        "mlp.down": part.wide_bytes,
    }


@dataclass(frozen=True, slots=True)
class _Part:
    """Sizes of one layer on one rank."""

    layout: Layout
    model: ModelShape

    @property
    def is_llama(self) -> bool:
        return self.model.family == "llama"

    @property
    def is_fused(self) -> bool:
        """One matrix for Q, K and V: never under DTensor's plans."""
        return self.layout.fused and self.layout.impl == "explicit"

    @property
    def tokens(self) -> int:
        return self.model.seq * self.model.batch

    @property
    def size(self) -> int:
        return DTYPE_BYTES[self.model.dtype]

    @property
    def wide_bytes(self) -> int:
        return self.tokens * self.model.ffn * self.size // self.layout.tp

    @property
    def norm_bytes(self) -> int:
        """Input and two statistics; of the composite RMSNorm input, normalized input and one statistic."""
        ways = self.layout.tp if self.layout.sp else 1
        if self.is_llama:
            return (2 * self.model.hidden + 1) * self.tokens * max(self.size, 4) // ways
        return (self.model.hidden + 2) * self.tokens * self.size // ways

    def inputs(self, block: str, linears: tuple[str, ...]) -> dict[str, int]:
        """Inputs of column-parallel linears: one for all; each its own where each gathers and keeps it."""
        gathered = self.layout.sp and keeps_gathered(self.layout)
        ways = self.layout.tp if self.layout.sp and not gathered else 1
        each = self.tokens * self.model.hidden * self.size // ways
        kept = linears if gathered and not self.layout.fused else linears[:1]
        return {f"{block}.{name}": each for name in kept}

    @property
    def core_bytes(self) -> int:
        """Q, K, V, positions; scores and the mask unless they are computed again."""
        model, t = self.model, self.layout.tp
        positions = 2 * model.seq * (model.hidden // model.heads) * self.size if self.is_llama else 0
        if self.layout.recompute == "selective":
            return self._given_bytes() + positions
        scores = model.heads * model.seq**2 * model.batch * self.size // t
        return self._multiplied_bytes() + positions + scores + model.seq**2

    def _heads(self) -> tuple[int, int]:
        """Bytes of the query heads and of the key heads of one rank."""
        head = self.tokens * (self.model.hidden // self.model.heads) * self.size
        own = max(self.model.kv_heads // self.layout.tp, 1)
        return head * (self.model.heads // self.layout.tp), head * own

    def _fused_bytes(self) -> int:
        """The fused QKV of one rank, whole where its KV heads are shared."""
        ways = 1 if self.model.kv_heads < self.layout.tp else self.layout.tp
        return self.tokens * qkv_width(self.model) * self.size // ways

    def _multiplied_bytes(self) -> int:
        """Q, K and V as the products take them: repeated keys are copies, others views of their origin."""
        queries, keys = self._heads()
        if queries != keys or not self.is_fused:
            return 3 * queries
        return self._fused_bytes() + (queries + keys if self.is_llama else 0)

    def _given_bytes(self) -> int:
        """Q, K and V as core attention is given them, before keys are repeated."""
        queries, keys = self._heads()
        if not self.is_fused:
            return queries + 2 * keys
        if self.is_llama:
            return queries + keys + self._fused_bytes()
        return self._fused_bytes() + (queries if queries != keys else 0)
