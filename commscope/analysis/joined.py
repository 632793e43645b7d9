"""Matching and clock of all ranks, before the tables are put together."""

from __future__ import annotations

from dataclasses import dataclass

from commscope.analysis.matching import Matched
from commscope.analysis.result import Clock, Matching
from commscope.analysis.rows import Members, Rows


@dataclass(frozen=True, slots=True)
class Joined:
    """Matching and clock, before the tables are put together."""

    rows: Rows  # on the ranks' own clocks
    common: Rows
    found: Matched  # without what the clock refuses
    matching: Matching
    clock: Clock | None
    contradicted: bool  # rows were matched but no clock allows any of it
    untied: Members  # ranks whose clock nothing ties to the first rank's
