"""What a workload is built from: Layout, ModelShape and a seed; and the default shapes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from commscope.trace import Layout, ModelShape

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

GPT = ModelShape("gpt", layers=2, hidden=128, ffn=512, heads=8, kv_heads=8, vocab=512, seq=64, batch=2)
LLAMA = ModelShape("llama", layers=2, hidden=128, ffn=384, heads=8, kv_heads=4, vocab=512, seq=64, batch=2)
MODELS = {"gpt": GPT, "llama": LLAMA}


@dataclass(frozen=True, slots=True)
class Config:
    """One rank's share of the work is this and its rank alone."""

    layout: Layout
    model: ModelShape
    seed: int = 1

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of parameters and activations."""
        return DTYPES[self.model.dtype]

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.model.hidden // self.model.heads

    @property
    def is_llama(self) -> bool:
        """RMSNorm, SwiGLU, rotary positions, no biases; else LayerNorm, GELU, learned positions, biases."""
        return self.model.family == "llama"

    @property
    def is_dtensor(self) -> bool:
        """Whether torch's DTensor spreads the model instead of our own functions."""
        return self.layout.impl == "dtensor"

    @property
    def is_fused(self) -> bool:
        """One weight for Q, K and V, and one for up and gate; DTensor's styles split each by itself."""
        return self.layout.fused and not self.is_dtensor

    @property
    def shares_heads(self) -> bool:
        """Fewer KV heads than ranks: the fused QKV is gathered whole."""
        return self.model.kv_heads < self.layout.tp
