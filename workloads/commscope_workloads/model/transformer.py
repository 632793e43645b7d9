"""A GPT or llama, tensor parallel, optionally sequence parallel: token ids [sequence, batch] -> the loss.

Embedding and head are not tied. The counts of collectives are those of Megatron-core 0.16.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from commscope.schema import Role
from commscope_workloads.config import Config
from commscope_workloads.model.collectives import reduce_from_ranks, scatter_sum, split_sequence
from commscope_workloads.model.comm import Comm, alone, main_dtype
from commscope_workloads.model.layers import Layer, Norm
from commscope_workloads.model.linear import column_linear
from commscope_workloads.model.loss import cross_entropy, own_ids
from commscope_workloads.model.parameters import Parameters, Placed
from commscope_workloads.model.plain import plain_embedding
from commscope_workloads.model.recompute import run_layer


class Embedding(nn.Module):
    """Token embedding split over the vocabulary, and learned positions for gpt.

    Learned positions are added to the whole sequence before it is split, so SP reduces the whole; with rotary
    ones the sum is scattered at once.
    """

    def __init__(self, config: Config, comm: Comm, make: Parameters) -> None:
        super().__init__()
        self.config = config
        self.comm = comm
        self.spread = comm
        model = config.model
        weight = make.normal("weight", (model.vocab, model.hidden), split=0)
        if config.is_dtensor:
            self.tokens = plain_embedding(weight)
        else:
            self.weight = weight
        self.positions = None if config.is_llama else make.normal("positions", (model.seq, model.hidden))

    def forward(self, ids: Tensor) -> Tensor:
        """[sequence, batch] -> [sequence or its shard, batch, hidden]."""
        if self.config.is_dtensor:
            return self._spread_by_dtensor(ids)
        own, is_elsewhere = own_ids(ids, self.weight.shape[0], self.comm)
        x = functional.embedding(own, self.weight).masked_fill(is_elsewhere[..., None], 0)
        is_split = self.config.layout.sp
        if self.positions is None:
            reduce = scatter_sum if is_split else reduce_from_ranks
            return reduce(x, self.comm, Role.EMBEDDING)
        x = reduce_from_ranks(x, self.comm, Role.EMBEDDING) + self.positions[:, None]
        return split_sequence(x, self.comm, Role.EMBEDDING) if is_split else x

    def _spread_by_dtensor(self, ids: Tensor) -> Tensor:
        """The plan reduces or scatters at once; each rank adds the positions of its own part."""
        x: Tensor = self.tokens(ids)
        if self.positions is None:
            return x
        length = x.shape[0]
        start = self.spread.rank * length if self.config.layout.sp else 0
        return x + self.positions[start : start + length, None]


class Head(nn.Module):
    """Logits split over the vocabulary; no bias."""

    def __init__(self, config: Config, comm: Comm, make: Parameters) -> None:
        super().__init__()
        self.linear = column_linear(
            config, comm, make.inside("linear"), (config.model.vocab, config.model.hidden), has_bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """[sequence or its shard, batch, hidden] -> [sequence, batch, vocab / ranks]."""
        return self.linear(x)  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """The whole model of one rank; `placed` tells where each parameter lies."""

    def __init__(self, config: Config, comm: Comm) -> None:
        super().__init__()
        self.config = config
        self.comm = comm
        self.placed: dict[str, Placed] = {}
        make = Parameters(config, comm, "", self.placed)
        self.embedding = Embedding(config, comm, make.inside("embedding"))
        self.layers = nn.ModuleList(
            Layer(config, comm, make.inside(f"layers.{number}"), number)
            for number in range(config.model.layers)
        )
        self.norm = Norm(config, make.inside("norm"))
        self.head = Head(config, comm, make.inside("head"))

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of the tokens."""
        x = self.embedding(ids)
        for number, layer in enumerate(self.layers):
            x = run_layer(layer, x, number, self.config, self.comm)
        logits = self.head(self.norm(x))
        if self.config.is_dtensor:
            logits = logits.flatten(0, 1).to(main_dtype(logits.dtype))
            return functional.cross_entropy(logits, targets.flatten())
        return cross_entropy(logits, targets, self.comm).mean()

    def around(self) -> AbstractContextManager[Any]:
        """What forward and backward must stand in: DTensor's vocabulary-parallel loss."""
        if not self.config.is_dtensor:
            return nullcontext()
        from torch.distributed.tensor.parallel import loss_parallel

        return loss_parallel()


def build(config: Config, comm: Comm, device: str = "cpu") -> Transformer:
    """The model of this rank, on its device."""
    if not config.is_dtensor or comm.group is None:
        return Transformer(config, comm).to(device)
    from commscope_workloads.model.dtensor import parallelize

    model = Transformer(config, alone(comm.marks)).to(device)
    model.embedding.spread = comm
    parallelize(model, config, comm.group, torch.device(device).type)
    return model
