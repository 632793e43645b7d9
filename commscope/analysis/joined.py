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
    clock_of: dict[int, int]  # rank -> number of its clock; those of equal number can be compared
    first: int  # the lowest rank that recorded anything, else the lowest

    @property
    def tied(self) -> Members:
        """Ranks on the first rank's clock."""
        home = self.clock_of[self.first]
        return tuple(rank for rank, clock in sorted(self.clock_of.items()) if clock == home)

    @property
    def untied(self) -> Members:
        """Ranks whose clock nothing ties to the first rank's."""
        return tuple(sorted(set(self.clock_of) - set(self.tied)))

    @property
    def followed(self) -> Members:
        """Ranks that a path over all ranks may cross; none where one of several is left."""
        return () if self.untied and len(self.tied) == 1 else self.tied
