"""Norm, attention, MLP and one transformer layer: [sequence or its shard, batch, hidden] in and out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from commscope_workloads.config import Config
from commscope_workloads.model.collectives import gather_columns
from commscope_workloads.model.comm import Comm
from commscope_workloads.model.linear import column_linear, row_linear
from commscope_workloads.model.parameters import Parameters
from commscope_workloads.model.recompute import run_core_attention

_EPSILON = 1e-5
_ROPE_BASE = 10_000.0


class Norm(nn.Module):
    """LayerNorm, or RMSNorm for llama. Under SP it sees its part of the sequence only."""

    def __init__(self, config: Config, make: Parameters) -> None:
        super().__init__()
        shape = (config.model.hidden,)
        self.weight = make.ones("weight", shape, partial=config.layout.sp)
        self.bias = None if config.is_llama else make.zeros("bias", shape, partial=config.layout.sp)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each token."""
        if self.bias is not None:
            return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, _EPSILON)
        return functional.rms_norm(x, self.weight.shape, self.weight, _EPSILON)


class Attention(nn.Module):
    """Causal self-attention, heads split over the ranks. Fused QKV is ordered by KV group, as in Megatron."""

    def __init__(self, config: Config, comm: Comm, make: Parameters) -> None:
        super().__init__()
        self.config = config
        self.comm = comm
        model, size = config.model, config.head_size
        kv = model.kv_heads * size
        if config.is_fused:
            self.qkv = column_linear(config, comm, make.inside("qkv"), (model.hidden + 2 * kv, model.hidden))
        else:
            self.q = column_linear(config, comm, make.inside("q"), (model.hidden, model.hidden))
            self.k = column_linear(config, comm, make.inside("k"), (kv, model.hidden))
            self.v = column_linear(config, comm, make.inside("v"), (kv, model.hidden))
        self.out = row_linear(config, comm, make.inside("out"), (model.hidden, model.hidden))

    def forward(self, x: Tensor) -> Tensor:
        """Mix tokens with those before them."""
        q, k, v = self._fused(x) if self.config.is_fused else self._unfused(x)
        if self.config.is_llama:
            q, k = rotate(q), rotate(k)
        mixed = run_core_attention(core_attention, self.config, self.comm.marks, q, k, v)
        return self.out(mixed)  # type: ignore[no-any-return]

    def _fused(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        model, size, ranks = self.config.model, self.config.head_size, self.comm.size
        mixed = self.qkv(x)
        groups, queries = max(model.kv_heads // ranks, 1), model.heads // model.kv_heads
        if self.config.shares_heads:
            mixed = gather_columns(mixed, self.comm)
            own = self.comm.rank * model.kv_heads // ranks
            mixed = mixed.chunk(model.kv_heads, dim=-1)[own]
        parts = mixed.unflatten(-1, (groups, queries + 2, size))
        q, k, v = parts.split([queries, 1, 1], dim=-2)
        q = q.flatten(-3, -2)
        if self.config.shares_heads:
            heads = model.heads // ranks
            q = q.unflatten(-2, (-1, heads))[..., self.comm.rank % (ranks // model.kv_heads), :, :]
        return q, k.squeeze(-2), v.squeeze(-2)

    def _unfused(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heads = (-1, self.config.head_size)
        return self.q(x).unflatten(-1, heads), self.k(x).unflatten(-1, heads), self.v(x).unflatten(-1, heads)


def core_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax of q k^T over the past, times v: [s, b, heads, size] -> [s, b, heads x size]."""
    queries = q.shape[2] // k.shape[2]
    q, k, v = (part.permute(1, 2, 0, 3) for part in (q, _repeat(k, queries), _repeat(v, queries)))
    future = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device).triu(1)
    scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(future, -torch.inf)
    return (scores.softmax(-1) @ v).permute(2, 0, 1, 3).flatten(-2)


def rotate(x: Tensor) -> Tensor:
    """Rotary positions (arXiv 2104.09864), halves rotated: [s, b, heads, size]."""
    half = x.shape[-1] // 2
    frequency = _ROPE_BASE ** (-torch.arange(half, device=x.device, dtype=torch.float64) / half)
    angle = torch.arange(x.shape[0], device=x.device, dtype=torch.float64)[:, None] * frequency
    cos, sin = (part.to(x.dtype)[:, None, None, :] for part in (angle.cos(), angle.sin()))
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def _repeat(x: Tensor, times: int) -> Tensor:
    return x if times == 1 else x.repeat_interleave(times, dim=2)


class Mlp(nn.Module):
    """Up and down with GELU, or SwiGLU with fused up and gate for llama."""

    def __init__(self, config: Config, comm: Comm, make: Parameters) -> None:
        super().__init__()
        self.config = config
        model = config.model
        up = (model.ffn, model.hidden)
        self.is_fused_gate = config.is_llama and config.is_fused
        self.up = column_linear(config, comm, make.inside("up"), (2, *up) if self.is_fused_gate else up)
        if config.is_llama and not self.is_fused_gate:
            self.gate = column_linear(config, comm, make.inside("gate"), up)
        self.down = row_linear(config, comm, make.inside("down"), (model.hidden, model.ffn))

    def forward(self, x: Tensor) -> Tensor:
        """Each token by itself."""
        if not self.config.is_llama:
            return self.down(functional.gelu(self.up(x)))  # type: ignore[no-any-return]
        up, gate = self.up(x).chunk(2, dim=-1) if self.is_fused_gate else (self.up(x), self.gate(x))
        return self.down(functional.silu(gate) * up)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """One transformer layer, norm first."""

    def __init__(self, config: Config, comm: Comm, make: Parameters, number: int) -> None:
        super().__init__()
        self.number = number
        self.marks = comm.marks
        self.norm1 = Norm(config, make.inside("norm1"))
        self.attention = Attention(config, comm, make.inside("attention"))
        self.norm2 = Norm(config, make.inside("norm2"))
        self.mlp = Mlp(config, comm, make.inside("mlp"))

    def forward(self, x: Tensor) -> Tensor:
        """Attention and MLP, each around a residual."""
        with self.marks.layer(self.number):
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]
