"""Callbacks of frameworks, by stand-ins that call them as the frameworks do (the real ones: benchmarks/battery)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("torch")

import commscope


class Told:
    """Steps that write down what they are told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    @contextlib.contextmanager
    def steps(self) -> Iterator[Told]:
        self.words.append("begin")
        yield self
        self.words.append("end")

    def end_step(self, loss: float | None = None) -> None:
        self.words.append("step")


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:length]), ModuleType(".".join(parts[:length])))
    for key, value in contents.items():
        setattr(sys.modules[name], key, value)


def test_a_callback_of_the_trainer_tells_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "transformers", TrainerCallback=type("TrainerCallback", (), {}))
    told = Told()
    callback = commscope.trainer_callback(told.steps())
    for event in ("on_train_begin", "on_step_end", "on_step_end", "on_train_end"):
        getattr(callback, event)("args", "state", "control", model=None)
    assert told.words == ["begin", "step", "step", "end"]


@pytest.mark.parametrize("last", ["on_train_end", "on_exception"])
def test_a_callback_of_lightning_tells_its_steps(monkeypatch: pytest.MonkeyPatch, last: str) -> None:
    stand_in(monkeypatch, "lightning.pytorch.callbacks", Callback=type("Callback", (), {}))
    told = Told()
    callback = commscope.lightning_callback(told.steps())
    for event in ("on_train_start", "on_train_batch_end", "on_train_batch_end", last):
        getattr(callback, event)("trainer", "module", "outputs")
    assert told.words == ["begin", "step", "step", "end"]


@dataclass
class ProfileKwargs:
    """The fields of Accelerate's own that we fill."""

    activities: list[str]
    schedule_option: dict[str, int]
    on_trace_ready: Any
    record_shapes: bool
    others: dict[str, Any] = field(default_factory=dict)


def test_accelerate_is_given_a_schedule_and_our_handler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, "accelerate.utils", ProfileKwargs=ProfileKwargs)
    kwargs = commscope.accelerate_profile(tmp_path / "run", steps=4)
    assert kwargs.schedule_option == {"wait": 0, "warmup": 1, "active": 4, "repeat": 1}
    assert "cpu" in kwargs.activities
    assert callable(kwargs.on_trace_ready)
