"""Parameters alike in every layout: (seed, name) -> the whole tensor, of which a rank keeps its shard."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from commscope_workloads.config import Config
from commscope_workloads.model.comm import Comm

_STD = 0.02


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a parameter lies: the dimension that is split, and whether its gradient is a partial sum."""

    split: int | None
    partial: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """Makes the parameters of one module; `placed` is the whole model's, keyed by qualified name."""

    config: Config
    comm: Comm
    prefix: str
    placed: dict[str, Placed]

    def inside(self, name: str) -> Parameters:
        """The parameters of a child module."""
        return Parameters(self.config, self.comm, f"{self.prefix}{name}.", self.placed)

    def normal(self, name: str, shape: tuple[int, ...], split: int | None = None) -> nn.Parameter:
        """Normally distributed, drawn whole so that every layout starts from the same model."""
        generator = torch.Generator().manual_seed(
            zlib.crc32(f"{self.config.seed}:{self.prefix}{name}".encode())
        )
        whole = torch.randn(shape, generator=generator, dtype=torch.float64) * _STD
        return self._place(name, whole, split, partial=False)

    def zeros(
        self, name: str, shape: tuple[int, ...], split: int | None = None, *, partial: bool = False
    ) -> nn.Parameter:
        """A bias."""
        return self._place(name, torch.zeros(shape, dtype=torch.float64), split, partial=partial)

    def ones(self, name: str, shape: tuple[int, ...], *, partial: bool = False) -> nn.Parameter:
        """The weight of a norm."""
        return self._place(name, torch.ones(shape, dtype=torch.float64), None, partial=partial)

    def _place(self, name: str, whole: Tensor, split: int | None, *, partial: bool) -> nn.Parameter:
        own = whole if split is None else whole.chunk(self.comm.size, dim=split)[self.comm.rank]
        self.placed[self.prefix + name] = Placed(split, partial and self.comm.size > 1)
        return nn.Parameter(own.to(self.config.dtype).contiguous())
