"""What autograd keeps of a forward pass for backward: a model and a batch in, bytes by layer and module out.

Each storage counts once, whole, for the module that saved it first: a view keeps all of what it looks into.
Parameters are not counted. What a recomputed layer keeps (its input) is of that layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from commscope.record.marks.ledger import Marks
from commscope.schema import Phase
from commscope.trace import SavedBytes
from commscope_workloads.model.plain import own_part

_LAYER = "layers."


def saved_bytes(
    model: nn.Module, marks: Marks, forward: Callable[[], Any], rank: int
) -> tuple[SavedBytes, ...]:
    """One forward pass, whose graph is dropped: what it would keep, ordered by layer and as it was saved."""
    saved = _Saved(model, marks)
    with saved.named(), saved_tensors_hooks(saved.keep, _same), marks.phase(Phase.FORWARD.value):
        forward()
    return tuple(
        SavedBytes(rank, layer, item, size)
        for (layer, item), size in sorted(
            saved.sizes.items(), key=lambda one: (one[0][0] is None, one[0][0] or 0)
        )
    )


def _same(tensor: Tensor) -> Tensor:
    return tensor


class _Saved:
    """Told every tensor that is saved, and which modules are running."""

    def __init__(self, model: nn.Module, marks: Marks) -> None:
        self.sizes: Counter[tuple[int | None, str]] = Counter()
        self._model = model
        self._marks = marks
        self._running: list[str] = []
        self._seen = {_storage(parameter).data_ptr() for parameter in model.parameters()}

    def keep(self, tensor: Tensor) -> Tensor:
        """Count the storage behind a tensor, unless it was counted or is a parameter's."""
        whole = tensor if tensor._base is None else tensor._base
        storage = _storage(tensor)
        if not isinstance(whole, nn.Parameter) and storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            item = self._running[-1] if self._running else "model"
            self.sizes[self._marks.current_layer, item] += storage.nbytes()
        return tensor

    @contextmanager
    def named(self) -> Iterator[None]:
        """Know the innermost module that runs, by its name within its layer."""
        handles = []
        for path, module in self._model.named_modules():
            name = path.split(".", 2)[-1] if path.startswith(_LAYER) else path
            if path and not name.isdigit() and not isinstance(module, nn.ModuleList):
                handles += [
                    module.register_forward_pre_hook(
                        lambda _module, _inputs, name=name: self._running.append(name)
                    ),
                    module.register_forward_hook(lambda *_: self._left()),
                ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _left(self) -> None:
        self._running.pop()


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    """Of a DTensor what this rank holds; of a tensor still on its way what it will be."""
    own: Any = own_part(tensor)
    return getattr(own, "elem", own).untyped_storage()  # type: ignore[no-any-return]
