"""Documents as JSON text: takes plain values, numpy's and the enums of ours, gives text."""

from __future__ import annotations

import json
import re
from typing import Any

_NOT_ASCII = re.compile("[^\\x20-\\x7e\\n]")


def dumps(document: dict[str, Any]) -> str:
    """A document as indented JSON text, ended by a newline; what is not printable stands as its escape."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False, default=plain) + "\n"
    return _NOT_ASCII.sub(
        lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text
    )


def plain(value: Any) -> Any:
    """NumPy scalars and paths become what JSON knows."""
    if hasattr(value, "item"):
        return value.item()
    return str(value)
