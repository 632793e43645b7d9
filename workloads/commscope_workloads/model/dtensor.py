"""The same model by DTensor's plans: Colwise, Rowwise, SequenceParallel, PrepareModuleInput, loss parallel.

`fused` prepares the input of attention and MLP once; without it each column-wise linear moves its own, a
frequent mistake. DTensor keeps the gathered input for backward, so it gathers once where Megatron gathers
twice. It issues its collectives itself: the ledger learns of them from a dispatch mode, which does not know
what each one is for.
"""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)
from torch.distributed.tensor.parallel.style import ParallelStyle
from torch.utils._python_dispatch import TorchDispatchMode

from commscope.record.marks.ledger import Marks
from commscope.record.marks.ranges import CollectiveFacts
from commscope.schema import Collective
from commscope_workloads.config import Config

_SEQUENCE = 0
_KINDS = {
    "all_reduce": Collective.ALL_REDUCE,
    "all_gather_into_tensor": Collective.ALL_GATHER,
    "reduce_scatter_tensor": Collective.REDUCE_SCATTER,
}


def parallelize(model: nn.Module, config: Config, group: dist.ProcessGroup, device: str) -> None:
    """Spread a whole model over the ranks of a group, in place."""
    mesh = DeviceMesh.from_group(group, device)
    outside = Shard(_SEQUENCE) if config.layout.sp else Replicate()
    prepared = config.layout.fused
    plan: dict[str, ParallelStyle] = {
        "embedding.tokens": RowwiseParallel(input_layouts=Replicate(), output_layouts=outside),
        "head.linear": ColwiseParallel(
            input_layouts=outside, output_layouts=Shard(-1), use_local_output=False
        ),
    }
    column = ColwiseParallel(input_layouts=Replicate() if prepared else outside)
    row = RowwiseParallel(output_layouts=outside)
    once = PrepareModuleInput(input_layouts=(outside,), desired_input_layouts=(Replicate(),))
    norms = ["norm"]
    for number in range(config.model.layers):
        attention, mlp = f"layers.{number}.attention", f"layers.{number}.mlp"
        plan |= {f"{attention}.{name}": column for name in ("q", "k", "v")}
        plan |= {f"{mlp}.{name}": column for name in ("up", "gate") if config.is_llama or name == "up"}
        plan |= {f"{attention}.out": row, f"{mlp}.down": row}
        if prepared:
            plan |= {attention: once, mlp: once}
        norms += [f"layers.{number}.norm1", f"layers.{number}.norm2"]
    if config.layout.sp:
        plan |= dict.fromkeys(norms, SequenceParallel(sequence_dim=_SEQUENCE, use_local_output=True))
    parallelize_module(model, mesh, plan)


class Telling(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds the functional collectives issued inside to the ledger; they carry no role."""

    def __init__(self, marks: Marks, group_size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._marks = marks
        self._group_size = group_size
        self._seq = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """See one operator; DTensor's own are left to take apart."""
        if any(issubclass(kind, DTensor) for kind in types):
            return NotImplemented
        result = func(*args, **(kwargs or {}))
        if getattr(func, "namespace", "") == "_c10d_functional":
            kind = _KINDS.get(func.__name__.split(".")[0])
            if kind is not None:
                self._tell(kind, args, result)
        return result

    def _tell(self, kind: Collective, args: Any, result: Tensor) -> None:
        whole = result if kind is Collective.ALL_GATHER else args[0]
        facts = CollectiveFacts(
            collective=kind.value,
            role="",
            group="tp",
            group_size=self._group_size,
            dtype=str(whole.dtype).removeprefix("torch."),
            elements=whole.numel(),
            seq=self._seq,
        )
        self._seq += 1
        self._marks.ledger.add(facts, self._marks.current_phase, self._marks.current_layer)
