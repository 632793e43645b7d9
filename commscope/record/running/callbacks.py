"""Callbacks for training frameworks, each imported only when it is asked for.

What they take gives steps: `commscope.profile(RUN)` records the first of them, `commscope.listen(FOLDER)`
those that a command asks for.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from commscope.record.rank import NoSteps, Steps
from commscope.record.running.handler import trace_handler

Opens = AbstractContextManager[Steps]


class _Opened:
    """Steps that are opened when training begins."""

    def __init__(self, steps: Opens) -> None:
        self._stack = contextlib.ExitStack()
        self._opens = steps
        self.steps: Steps = NoSteps()

    def begin(self) -> None:
        self.steps = self._stack.enter_context(self._opens)

    def end(self) -> None:
        self._stack.close()
        self.steps = NoSteps()


def trainer_callback(steps: Opens) -> Any:
    """A callback of Hugging Face's Trainer: `Trainer(callbacks=[commscope.trainer_callback(…)])`."""
    from transformers import TrainerCallback

    opened = _Opened(steps)

    class CommScopeCallback(TrainerCallback):
        """A step is one of the optimizer, whatever it accumulates."""

        def on_train_begin(self, *_args: Any, **_kwargs: Any) -> None:
            opened.begin()

        def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
            opened.steps.end_step()

        def on_train_end(self, *_args: Any, **_kwargs: Any) -> None:
            opened.end()

    return CommScopeCallback()


def lightning_callback(steps: Opens) -> Any:
    """A callback of Lightning: `Trainer(callbacks=[commscope.lightning_callback(…)])`."""
    from lightning.pytorch.callbacks import Callback

    opened = _Opened(steps)

    class CommScopeCallback(Callback):
        """A step is a batch of training."""

        def on_train_start(self, *_args: Any, **_kwargs: Any) -> None:
            opened.begin()

        def on_train_batch_end(self, *_args: Any, **_kwargs: Any) -> None:
            opened.steps.end_step()

        def on_train_end(self, *_args: Any, **_kwargs: Any) -> None:
            opened.end()

        def on_exception(self, *_args: Any, **_kwargs: Any) -> None:
            opened.end()

    return CommScopeCallback()


def accelerate_profile(run: str | Path, *, steps: int = 3, warmup: int = 1) -> Any:
    """What Accelerate asks for: `Accelerator(kwargs_handlers=[commscope.accelerate_profile(RUN)])`.

    The program calls `profiler.step()` inside `with accelerator.profile() as profiler`.
    """
    import torch
    from accelerate.utils import ProfileKwargs

    activities = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    schedule = {"wait": 0, "warmup": warmup, "active": steps, "repeat": 1}
    return ProfileKwargs(
        activities=activities,
        schedule_option=schedule,
        on_trace_ready=trace_handler(run),
        record_shapes=True,
    )
