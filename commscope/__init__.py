"""CommScope: where did the step go, what moved between the ranks, who made whom wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commscope.record.api import annotate, profile

__all__ = ["__version__", "annotate", "profile"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`annotate` and `profile` import torch, so they are looked up when first used."""
    if name in ("annotate", "profile"):
        from commscope.record import api

        return globals().setdefault(name, getattr(api, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
