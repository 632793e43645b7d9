"""The entry of the built-in workloads: a rank's context -> training steps under the profiler."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from commscope.errors import UsageProblem
from commscope.record.rank import RankContext
from commscope.schema import Phase
from commscope.trace import SavedBytes
from commscope_workloads.config import Config
from commscope_workloads.data_parallel import DataParallel, data_parallel
from commscope_workloads.gradients import sum_partial_gradients
from commscope_workloads.model.comm import Comm
from commscope_workloads.model.plain import whole
from commscope_workloads.model.transformer import Transformer, build
from commscope_workloads.saved import saved_bytes

Batch = tuple[Tensor, Tensor]


def main(context: RankContext) -> None:
    """Train the model of the request's layout for as many steps as the plan has."""
    request = context.request
    if request.model is None:
        raise UsageProblem("no model in the request")
    config = Config(request.layout, request.model, request.seed)
    tp, dp = open_groups(context)
    model = build(config, tp, context.rank.device)
    trainer = data_parallel(model, dp)
    numbers = itertools.count()

    def step() -> float:
        number = next(numbers)
        which = [(dp.rank, number, micro) for micro in range(config.model.microbatches)]
        return train_step(model, trainer, [batch(config, context.rank.device, one) for one in which])

    if config.is_dtensor:
        account(context, step)
    context.run(step)
    context.session.saved_bytes = kept_for_backward(
        model, trainer, batch(config, context.rank.device, (dp.rank, 0, 0)), context.rank.rank
    )


def kept_for_backward(
    model: Transformer, trainer: DataParallel, inputs: Batch, rank: int
) -> tuple[SavedBytes, ...]:
    """What autograd keeps of one microbatch's forward pass, which goes no further."""
    with model.around():
        return saved_bytes(model, model.comm.marks, lambda: trainer.loss(*inputs), rank)


def account(context: RankContext, step: Callable[[], float]) -> None:
    """One step that fills the ledger of every profiled one: watching each operator would slow them."""
    from commscope_workloads.model.dtensor import Telling

    ledger, plan = context.marks.ledger, context.session.plan
    with ledger.recording(plan.first_profiled), Telling(context.marks, context.request.layout.tp):
        step()
    for number in range(plan.first_profiled + 1, plan.total):
        ledger.repeat(plan.first_profiled, number)


def train_step(model: Transformer, trainer: DataParallel, batches: Sequence[Batch]) -> float:
    """Forward and backward of every microbatch, gradients made whole, optimizer; this rank's mean loss."""
    loss = forward_backward(model, trainer, batches)
    with model.comm.marks.phase(Phase.OPTIMIZER.value):
        trainer.update()
    return loss.item()


def forward_backward(model: Transformer, trainer: DataParallel, batches: Sequence[Batch]) -> Tensor:
    """Gradients of the mean loss over the microbatches, whole on every rank; gives that loss."""
    marks = model.comm.marks
    total: Tensor | None = None
    for number, (ids, targets) in enumerate(batches):
        is_last = number == len(batches) - 1
        with marks.microbatch(number), trainer.accumulating(is_last=is_last), model.around():
            with marks.phase(Phase.FORWARD.value):
                loss = trainer.loss(ids, targets) / len(batches)
            with marks.phase(Phase.BACKWARD.value):
                loss.backward()  # type: ignore[no-untyped-call]
        own = whole(loss.detach())
        total = own if total is None else total + own
    sum_partial_gradients(model, model.comm)
    trainer.reduce_gradients()
    assert total is not None
    return total


def open_groups(context: RankContext) -> tuple[Comm, Comm]:
    """The ranks that share one model (neighbours), and those that hold the same part of it."""
    layout, rank = context.request.layout, context.rank
    model_ranks = [range(start, start + layout.tp) for start in range(0, rank.world_size, layout.tp)]
    data_ranks = [range(start, rank.world_size, layout.tp) for start in range(layout.tp)]
    return _own_comm(context, model_ranks, "tp"), _own_comm(context, data_ranks, "dp")


def _own_comm(context: RankContext, groups: Sequence[range], name: str) -> Comm:
    own = next(ranks for ranks in groups if context.rank.rank in ranks)
    opened = {ranks: context.new_group(ranks, name) for ranks in groups} if len(own) > 1 else {}
    return Comm(opened.get(own), len(own), own.index(context.rank.rank), name, context.marks)


def batch(config: Config, device: str, which: tuple[int, int, int]) -> Batch:
    """Token ids and targets [sequence, batch] of one (data rank, step, microbatch)."""
    data_rank, step, micro = which
    seed = ((config.seed * 1000 + data_rank) * 100_000 + step) * 100 + micro
    generator = torch.Generator().manual_seed(seed)
    model = config.model
    ids = torch.randint(model.vocab, (model.seq + 1, model.batch), generator=generator).to(device)
    return ids[:-1].contiguous(), ids[1:].contiguous()
