"""Data parallelism on top of one model a tensor-parallel group: none, DDP, ZeRO-1 or FSDP2 (ZeRO-3).

DDP is torch's, with one bucket; FSDP2 is torch's `fully_shard`, one unit a layer and one for the rest.
ZeRO-1 is written out as Megatron's distributed optimizer does it: gradients end to end are reduce-scattered,
each rank updates its slice of the parameters, and the slices are gathered.
"""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from commscope.errors import BackendProblem
from commscope.schema import Role
from commscope_workloads.model.comm import Comm
from commscope_workloads.model.transformer import Transformer

_LEARNING_RATE = 1e-3
_ONE_BUCKET_MB = 1 << 20


class DataParallel(Protocol):
    """What a training step needs from any kind."""

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """The loss of one microbatch."""

    def accumulating(self, *, is_last: bool) -> contextlib.AbstractContextManager[Any]:
        """Around one microbatch: only the last one moves gradients, where the kind allows that."""

    def reduce_gradients(self) -> None:
        """After backward: what backward itself has not reduced yet."""

    def update(self) -> None:
        """The optimizer's step."""


class Replicated:
    """No data parallelism."""

    def __init__(self, model: Transformer) -> None:
        self.model: nn.Module = model
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """The loss of one microbatch."""
        return self.model(ids, targets)  # type: ignore[no-any-return]

    def accumulating(self, *, is_last: bool) -> contextlib.AbstractContextManager[Any]:  # noqa: ARG002
        """Nothing moves."""
        return contextlib.nullcontext()

    def reduce_gradients(self) -> None:
        """Nothing to reduce."""

    def update(self) -> None:
        """Every rank updates all it has."""
        self.optimizer.step()
        self.optimizer.zero_grad()


class Ddp(Replicated):
    """Gradients are all-reduced in one bucket at the end of the last backward."""

    def __init__(self, model: Transformer, comm: Comm) -> None:
        super().__init__(model)
        wrapped = nn.parallel.DistributedDataParallel(
            model, process_group=comm.group, bucket_cap_mb=_ONE_BUCKET_MB
        )
        # torch checks the annotation of a hook as an object, which here is a string: a lambda has none
        wrapped.register_comm_hook(comm, lambda state, bucket: _average_bucket(state, bucket))  # noqa: PLW0108
        self._wrapped = wrapped

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """The loss of one microbatch."""
        return self._wrapped(ids, targets)  # type: ignore[no-any-return]

    def accumulating(self, *, is_last: bool) -> contextlib.AbstractContextManager[Any]:
        """Gradients of earlier microbatches stay on the rank."""
        return contextlib.nullcontext() if is_last else self._wrapped.no_sync()


def _average_bucket(comm: Comm, bucket: Any) -> torch.futures.Future[Tensor]:
    pending = comm.all_reduce(bucket.buffer(), Role.DP, wait=False)
    future: torch.futures.Future[Any] = pending.work.get_future()
    return future.then(lambda done: done.value()[0].div_(comm.size))


class Zero1(Replicated):
    """The optimizer's state is split: each rank updates a slice of the parameters laid end to end."""

    def __init__(self, model: Transformer, comm: Comm) -> None:
        super().__init__(model)
        self._comm = comm
        self._parameters = list(model.parameters())
        self._sizes = [parameter.numel() for parameter in self._parameters]
        own = comm.split(self._flat([parameter.detach() for parameter in self._parameters]))
        self.own = nn.Parameter(own.clone())
        self.optimizer = torch.optim.AdamW([self.own], lr=_LEARNING_RATE)

    def reduce_gradients(self) -> None:
        """One reduce-scatter of all gradients."""
        grads = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self.own.grad = self._comm.reduce_scatter(self._flat(grads), Role.DP).wait().div_(self._comm.size)

    def update(self) -> None:
        """Update the slice, gather all slices."""
        self.optimizer.step()
        self.optimizer.zero_grad()
        whole = self._comm.all_gather(self.own.detach(), Role.DP).wait()[: sum(self._sizes)]
        for parameter, value in zip(self._parameters, torch.split(whole, self._sizes), strict=True):
            parameter.data.copy_(value.view_as(parameter))
            parameter.grad = None

    def _flat(self, tensors: list[Tensor]) -> Tensor:
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        return nn.functional.pad(flat, (0, -flat.numel() % self._comm.size))


class Fsdp2(Replicated):
    """Parameters, gradients and state are split: gathered before use, reduce-scattered after backward."""

    def __init__(self, model: Transformer, comm: Comm) -> None:
        from torch.distributed.device_mesh import DeviceMesh
        from torch.distributed.fsdp import FSDPModule, fully_shard

        if not hasattr(FSDPModule, "set_custom_all_gather"):
            raise BackendProblem(f"fsdp2 is not told by torch {torch.__version__}", hint="torch >= 2.9")
        device = next(model.parameters()).device.type
        assert comm.group is not None
        mesh = DeviceMesh.from_group(comm.group, device)
        for unit in (*model.layers, model):
            sharded: Any = fully_shard(unit, mesh=mesh)
            sharded.set_custom_all_gather(_TellingGather(comm))
            sharded.set_custom_reduce_scatter(_TellingScatter(comm))
        super().__init__(model)


class _Buffers:
    """Where FSDP2 puts what it moves: a new tensor each time."""

    def allocate(self, size: Any, *, dtype: torch.dtype, device: torch.device) -> Tensor:
        """A buffer."""
        return torch.empty(*size, dtype=dtype, device=device)


class _TellingGather(_Buffers):
    """FSDP2's all-gather through the ledger."""

    def __init__(self, comm: Comm) -> None:
        self._comm = comm

    def __call__(
        self,
        output_tensor: Tensor,
        input_tensor: Tensor,
        group: Any,  # noqa: ARG002 - the group of `comm`
        async_op: bool = False,
    ) -> Any:
        return self._comm.gather_into(output_tensor, input_tensor, Role.DP, wait=not async_op)


class _TellingScatter(_Buffers):
    """FSDP2's reduce-scatter through the ledger. It may ask for the mean, which gloo lacks."""

    def __init__(self, comm: Comm) -> None:
        self._comm = comm

    def __call__(
        self,
        output_tensor: Tensor,
        input_tensor: Tensor,
        group: Any,  # noqa: ARG002 - the group of `comm`
        op: Any,
        async_op: bool = False,
    ) -> Any:
        if op == dist.ReduceOp.AVG:
            input_tensor.div_(self._comm.size)
        return self._comm.scatter_into(output_tensor, input_tensor, Role.DP, wait=not async_op)


def data_parallel(model: Transformer, comm: Comm) -> DataParallel:
    """The kind the model's layout asks for."""
    kind = model.config.layout.dp_kind
    if comm.size == 1:
        return Replicated(model)
    return {"zero1": Zero1, "fsdp2": Fsdp2}.get(kind, Ddp)(model, comm)
