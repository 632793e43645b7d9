"""The compiled core: what is also done in Python, faster.

Optional: without a compiler at install, or with COMMSCOPE_PURE set, everything works without it.
"""

from __future__ import annotations

import os
from types import ModuleType

PURE = "COMMSCOPE_PURE"  # environment variable that turns the core off
REVISION = 3  # of what Python and C agreed on; as in native/module.c


def core() -> ModuleType | None:
    """The compiled core, or None: turned off, not built, or built from another revision."""
    if os.environ.get(PURE):
        return None
    try:
        from commscope import _core
    except ImportError:
        return None
    return _core if getattr(_core, "REVISION", None) == REVISION else None


def told() -> str:
    """Which of the two reads here, in words."""
    if core() is not None:
        return "compiled reader"
    return (
        "reader in Python (COMMSCOPE_PURE)" if os.environ.get(PURE) else "reader in Python (no compiled one)"
    )
