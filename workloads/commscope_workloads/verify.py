"""Each layout against one process and the closed form: four ranks -> verify.json in the run folder.

Loss and every gradient are compared with those of the same model on one rank; the ledger with
`theory.volume`.
"""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from commscope.record.handover.request import encode
from commscope.record.marks.ledger import Ledger, Marks
from commscope.record.marks.ranges import open_timelines
from commscope.record.rank import RankContext
from commscope.schema import Phase
from commscope.theory.memory import saved_by_module
from commscope.theory.volume import VolumeRow, step_volume
from commscope.trace import Layout
from commscope.whole import write_whole
from commscope_workloads.config import Config
from commscope_workloads.data_parallel import Replicated, Zero1, data_parallel
from commscope_workloads.layouts import Case, cases
from commscope_workloads.model.comm import Comm, alone
from commscope_workloads.model.dtensor import Telling
from commscope_workloads.model.plain import whole
from commscope_workloads.model.transformer import Transformer, build
from commscope_workloads.train import Batch, batch, forward_backward, kept_for_backward

RESULT = "verify.json"
_FLOOR = 1e-3  # of the largest gradient: the bias of K has none but rounding, since softmax ignores it


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a layout's gradients are from the single process, its ledger from the closed form."""

    name: str
    tolerance: float
    loss_error: float
    gradient_error: float  # largest over tensors of max|g - g0| / max|g0|
    worst: str
    counted: dict[str, int]  # collectives a step on rank 0
    wire_bytes: int  # ring model, a step and rank
    saved_bytes: tuple[dict[str, int], ...]  # kept for backward by each layer and module, on rank 0
    saved_closed: tuple[dict[str, int], ...]  # the same by the closed form
    missing: tuple[VolumeRow, ...]  # in the closed form, not in the ledger
    extra: tuple[VolumeRow, ...]


@dataclass(frozen=True, slots=True)
class Groups:
    """Process groups for every size a case may ask for, opened once."""

    context: RankContext
    pairs: dist.ProcessGroup  # ranks 0 1 | 2 3
    strides: dist.ProcessGroup  # ranks 0 2 | 1 3
    all: dist.ProcessGroup

    def comms(self, case: Case, marks: Marks) -> tuple[Comm, Comm]:
        """The tp and dp groups of this rank in a case."""
        rank, layout = self.context.rank.rank, case.layout
        by_size = {2: self.pairs, 4: self.all}
        tp = Comm(by_size.get(layout.tp), layout.tp, rank % layout.tp, "tp", marks)
        data = self.strides if layout.tp > 1 else self.pairs
        return tp, Comm(
            data if layout.dp > 1 else None, layout.dp, rank // layout.tp % layout.dp, "dp", marks
        )


def main(context: RankContext) -> None:
    """Go through all layouts; rank 0 writes the outcomes."""
    groups = open_groups(context)
    outcomes = [verify(case, groups) for case in cases()]
    if context.rank.rank == 0:
        write_whole(context.request.output / RESULT, encode(outcomes))


def open_groups(context: RankContext) -> Groups:
    """Four ranks, cut every way the cases need."""
    found = [context.new_group(ranks, str(ranks)) for ranks in ((0, 1), (2, 3), (0, 2), (1, 3), (0, 1, 2, 3))]
    pair, other_pair, stride, other_stride, everybody = found
    pairs, strides = pair or other_pair, stride or other_stride
    assert pairs is not None
    assert strides is not None
    assert everybody is not None
    return Groups(context, pairs, strides, everybody)


def verify(case: Case, groups: Groups) -> Outcome:
    """One step of one layout."""
    marks = Marks(open_timelines(), Ledger())
    tp, dp = groups.comms(case, marks)
    config = Config(case.layout, case.model)
    model = build(config, tp)
    trainer = data_parallel(model, dp)
    batches = [batch(config, "cpu", (dp.rank, 0, micro)) for micro in range(case.model.microbatches)]
    telling = Telling(marks, tp.size) if config.is_dtensor else nullcontext()
    with marks.ledger.recording(0), telling:
        loss = forward_backward(model, trainer, batches)
    if isinstance(trainer, Zero1):
        gradients = _sliced_gradients(model, trainer, tp, dp)
    else:
        gradients = _whole_gradients(model, tp)
    with marks.ledger.recording(0), marks.phase(Phase.OPTIMIZER.value), telling:
        trainer.update()
    by_layer: dict[int | None, dict[str, int]] = {}
    for row in kept_for_backward(model, trainer, batches[0], groups.context.rank.rank):
        by_layer.setdefault(row.layer, {})[row.item] = row.size_bytes
    expected_loss, expected = reference(case)
    if dp.size > 1:
        dist.all_reduce(loss, group=dp.group)
        loss = loss / dp.size
    floor = _FLOOR * max(grad.abs().max().item() for grad in expected.values())
    errors = {name: relative_error(gradients[name], expected[name], floor) for name in expected}
    worst = max(errors, key=lambda name: errors[name])
    counted = counts(marks.ledger)
    closed = closed_form(case)
    return Outcome(
        name=case.name,
        tolerance=case.tolerance,
        loss_error=relative_error(loss, expected_loss),
        gradient_error=errors[worst],
        worst=worst,
        counted=_by_kind(counted),
        wire_bytes=sum(row.total_wire_bytes for row in _rows(counted)),
        saved_bytes=tuple(by_layer.get(layer, {}) for layer in range(case.model.layers)),
        saved_closed=tuple(
            saved_by_module(case.layout, case.model, layer) for layer in range(case.model.layers)
        ),
        missing=_rows(closed - counted),
        extra=_rows(counted - closed),
    )


def reference(case: Case) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients of the same model in this process alone, over the batches of all data ranks."""
    layout = Layout(fused=case.layout.fused and case.layout.impl != "dtensor")
    config = Config(layout, case.model)
    model = Transformer(config, alone(Marks(open_timelines(), Ledger())))
    batches: list[Batch] = [
        batch(config, "cpu", (data_rank, 0, micro))
        for data_rank in range(case.layout.dp)
        for micro in range(case.model.microbatches)
    ]
    loss = forward_backward(model, Replicated(model), batches)
    return loss, {name: _grad(parameter) for name, parameter in model.named_parameters()}


def closed_form(case: Case) -> Counter[VolumeRow]:
    """What theory says; DTensor does not tell what a collective is for."""
    knows_role = case.layout.impl != "dtensor"
    rows: Counter[VolumeRow] = Counter()
    for row in step_volume(case.layout, case.model):
        rows[replace(row, count=0, role=row.role if knows_role else "")] += row.count
    return rows


def relative_error(found: Tensor, expected: Tensor, floor: float = 0.0) -> float:
    """max|found - expected| / max|expected|, the latter at least `floor`; infinite where shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    scale = max(expected.abs().max().item(), floor)
    return (found - expected).abs().max().item() / scale


def counts(ledger: Ledger) -> Counter[VolumeRow]:
    """The ledger in the terms of the closed form."""
    found: Counter[VolumeRow] = Counter()
    for row in ledger.rows(0):
        key = VolumeRow(
            row.phase,
            row.collective,
            row.role or "",
            row.group,
            row.group_size,
            row.dtype,
            row.payload_bytes,
            0,
        )
        found[key] += row.count
    return found


def _whole_gradients(model: Transformer, tp: Comm) -> dict[str, Tensor]:
    """Every gradient whole: shards gathered over the tp group, FSDP2's over the dp group."""
    if model.config.is_dtensor:
        return {
            _plain_name(name): _unspread(parameter, tp, is_split=model.config.layout.sp)
            for name, parameter in model.named_parameters()
        }
    return {name: _whole(model, name, _grad(parameter), tp) for name, parameter in model.named_parameters()}


def _unspread(parameter: torch.nn.Parameter, tp: Comm, *, is_split: bool) -> Tensor:
    """DTensor makes its gradients whole; under SP each rank's positions saw its part of the sequence."""
    grad = _grad(parameter).clone()
    if is_split and not isinstance(parameter, DTensor):
        dist.all_reduce(grad, group=tp.group)
    return grad


def _plain_name(name: str) -> str:
    return name.replace("embedding.tokens.", "embedding.")


def _sliced_gradients(model: Transformer, trainer: Zero1, tp: Comm, dp: Comm) -> dict[str, Tensor]:
    """ZeRO-1's gradients: slices gathered over the data-parallel group, cut into parameters again."""
    own = trainer.own.grad
    assert own is not None
    parts = [torch.empty_like(own) for _ in range(dp.size)]
    dist.all_gather(parts, own, group=dp.group)
    named = list(model.named_parameters())
    sizes = [parameter.numel() for _, parameter in named]
    cut = torch.split(torch.cat(parts)[: sum(sizes)], sizes)
    return {
        name: _whole(model, name, grad.view_as(parameter), tp)
        for (name, parameter), grad in zip(named, cut, strict=True)
    }


def _whole(model: Transformer, name: str, grad: Tensor, tp: Comm) -> Tensor:
    split = model.placed[name].split
    if split is None or tp.size == 1:
        return grad.clone()
    parts = [torch.empty_like(grad) for _ in range(tp.size)]
    dist.all_gather(parts, grad.contiguous(), group=tp.group)
    return torch.cat(parts, dim=split)


def _grad(parameter: torch.nn.Parameter) -> Tensor:
    grad = parameter.grad
    assert grad is not None
    return whole(grad)


def _by_kind(counted: Counter[VolumeRow]) -> dict[str, int]:
    kinds: Counter[str] = Counter()
    for row, count in counted.items():
        kinds[f"{row.phase} {row.collective} {row.role}"] += count
    return dict(kinds)


def _rows(counted: Counter[VolumeRow]) -> tuple[VolumeRow, ...]:
    return tuple(replace(row, count=count) for row, count in counted.items())
