"""One line of the doctor, and the words its checks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from commscope.readers.doctor.health import RankHealth

FINE, INFO, WARN, SERIOUS = "fine", "info", "warn", "serious"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: what was looked at, what was found, what it costs, what to do."""

    code: str
    level: str  # fine | info | warn | serious
    message: str
    ranks: tuple[int, ...] = ()
    cost: str = ""
    hint: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def all_of(ranks: Sequence[RankHealth]) -> tuple[int, ...]:
    """Numbers of all ranks."""
    return tuple(rank.rank for rank in ranks)


def ranks_in_words(count: int) -> str:
    """So many ranks, in words."""
    return "1 rank" if count == 1 else f"{count} ranks"


def steps_in_words(count: int) -> str:
    """So many steps, in words."""
    return "1 step" if count == 1 else f"{count} steps"


def named(ranks: Sequence[int]) -> str:
    """These ranks, in words."""
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {some(ranks)}"


def some(numbers: Sequence[int]) -> str:
    """The first few of many numbers."""
    shown = ", ".join(str(number) for number in numbers[:8])
    return shown if len(numbers) <= 8 else f"{shown} and {len(numbers) - 8} more"
