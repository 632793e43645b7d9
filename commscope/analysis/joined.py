"""Matching and clock of all ranks, before the tables are put together."""

from __future__ import annotations

from dataclasses import dataclass

from commscope.analysis.result import Clock, Matching
from commscope.analysis.rows import Members, Rows
from commscope.trace import Int64


@dataclass(frozen=True, slots=True)
class Joined:
    """Matching and clock, before the tables are put together."""

    rows: Rows  # on the ranks' own clocks
    common: Rows
    instance: Int64
    matching: Matching
    clock: Clock | None
    contradicted: bool  # rows were matched but no clock allows any of it
    untied: Members  # ranks whose clock nothing ties to the first rank's
