"""Where the steps of an unmodified script end: at its optimizer's step, at a call, or by the clock."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from commscope.errors import UsageProblem
from commscope.record.handover.request import BY_CALL, BY_TIME
from commscope.record.rank.seconds import by_time

EndStep = Callable[[], None]


@contextlib.contextmanager
def step_borders(steps_by: str, end_step: EndStep, world_size: int) -> Iterator[None]:
    """Call `end_step` at every border while this is open. Raises UsageProblem for a name of nothing."""
    how, _, what = steps_by.partition("=")
    if how == BY_TIME:
        borders = by_time(end_step, world_size)
    elif how == BY_CALL:
        borders = _by_call_of(what, end_step) if what else _by_outermost_call(end_step)
    else:
        borders = _by_optimizer(end_step)
    with borders:
        yield


class Leader:
    """Tells which of several optimizers ends a step: the one whose first step comes last.

    `alive` says how many optimizers there are, asked once, at the first step. Three steps of a critic and one
    of a generator are one step. An optimizer that is never used must not be waited for: where one has stepped
    `PATIENCE` times before all have, those that did are all.
    """

    PATIENCE = 8

    def __init__(self, alive: Callable[[], int]) -> None:
        self._count_alive = alive
        self._alive = 0
        self._steps: dict[int, int] = {}  # in the order of their first steps
        self._leader: int | None = None

    def ends_step(self, optimizer: int) -> bool:
        """Whether a step ends with this optimizer's step."""
        if self._leader is None:
            self._alive = self._alive or self._count_alive()
            self._steps[optimizer] = self._steps.get(optimizer, 0) + 1
            if len(self._steps) >= self._alive or self._steps[optimizer] > self.PATIENCE:
                self._leader = next(reversed(self._steps))
        return optimizer == self._leader


def optimizers_alive() -> int:
    """Optimizers of this process that tell their steps; wrappers that only pass a step on do not."""
    # by type: isinstance would wake objects that stand in for others
    told = [one for one in gc.get_objects() if issubclass(type(one), Optimizer)]
    return sum(bool(getattr(type(one).step, "hooked", False)) for one in told)


@contextlib.contextmanager
def _by_optimizer(end_step: EndStep) -> Iterator[None]:
    leader = Leader(optimizers_alive)

    def after_step(optimizer: Any, _args: Any, _kwargs: Any) -> None:
        if leader.ends_step(id(optimizer)):
            end_step()

    handle = register_optimizer_step_post_hook(after_step)
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def _by_outermost_call(end_step: EndStep) -> Iterator[None]:
    """A border after each call of a module that no other module made: inference, or a loss by hand."""
    depth = 0

    def before(_module: Any, _args: Any) -> None:
        nonlocal depth
        depth += 1

    def after(_module: Any, _args: Any, _output: Any) -> None:
        nonlocal depth
        depth -= 1
        if depth == 0:
            end_step()

    # also where a module raises, else every call after it would count as an inner one
    after_all = register_module_forward_hook(after, always_call=True)
    handles = (register_module_forward_pre_hook(before), after_all)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def _by_call_of(what: str, end_step: EndStep) -> Iterator[None]:
    """A border after each call of `pkg.mod:Class.method`."""
    holder, name = _resolve(what)
    original = getattr(holder, name)

    @functools.wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        given = original(*args, **kwargs)
        end_step()
        return given

    setattr(holder, name, called)
    try:
        yield
    finally:
        setattr(holder, name, original)


def _resolve(what: str) -> tuple[Any, str]:
    module, _, path = what.partition(":")
    *outer, name = path.split(".")
    try:
        holder: Any = functools.reduce(getattr, outer, importlib.import_module(module))
        if not callable(getattr(holder, name)):
            raise AttributeError(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageProblem(
            f"--steps-by call={what} names nothing that can be called",
            hint="PACKAGE.MODULE:CLASS.METHOD, as an import in the script would find it",
        ) from error
    return holder, name
