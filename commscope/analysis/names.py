"""Rows by name: each distinct name is judged once, whatever the number of events.

Only the beginning of a name is looked at, so that a hostile one cannot keep a pattern busy.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from commscope.trace import Events, Mask


def where_name(events: Events, wanted: Callable[[str], bool]) -> Mask:
    """Rows whose name is wanted."""
    judged = np.fromiter((bool(wanted(name[:_LONGEST])) for name in events.names), bool, len(events.names))
    return judged.take(events.name_id) if len(judged) else np.zeros(len(events), bool)


def where_match(events: Events, pattern: re.Pattern[str]) -> Mask:
    """Rows whose whole name matches a pattern."""
    return where_name(events, lambda name: pattern.fullmatch(name) is not None)


_LONGEST = 1_000
