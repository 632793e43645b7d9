"""CommScope: where did the step go, what moved between the ranks, who made whom wait."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commscope.errors import CommScopeError
    from commscope.notebook import Compared, Recording, load
    from commscope.record.api import annotate, profile
    from commscope.record.running import (
        accelerate_profile,
        lightning_callback,
        listen,
        trace_handler,
        trainer_callback,
    )
    from commscope.testing import expect

__all__ = [
    "CommScopeError",
    "Compared",
    "Recording",
    "__version__",
    "accelerate_profile",
    "annotate",
    "expect",
    "lightning_callback",
    "listen",
    "load",
    "profile",
    "trace_handler",
    "trainer_callback",
]
__version__ = "0.1.0"

# What records imports torch and the others pandas, so each is looked up when first used.
_HOME = {
    "CommScopeError": "commscope.errors",
    "Compared": "commscope.notebook",
    "Recording": "commscope.notebook",
    "accelerate_profile": "commscope.record.running",
    "annotate": "commscope.record.api",
    "expect": "commscope.testing",
    "lightning_callback": "commscope.record.running",
    "listen": "commscope.record.running",
    "load": "commscope.notebook",
    "profile": "commscope.record.api",
    "trace_handler": "commscope.record.running",
    "trainer_callback": "commscope.record.running",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return globals().setdefault(name, getattr(import_module(_HOME[name]), name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
