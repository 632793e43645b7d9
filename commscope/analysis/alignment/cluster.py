"""Tracks of all members of one group -> which rows are one instance: every rank is aligned to a reference
rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from commscope.analysis.alignment.offsets import (
    OTHER_HOST,
    SAME_HOST,
    UNKNOWN_HOSTS,
    Fit,
    Trust,
    align,
    at_offset,
)
from commscope.analysis.alignment.tracks import Track, part
from commscope.trace import Int64


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of clocks so far: hosts, offsets of ranks of equal component, the scatter of ends."""

    hosts: Mapping[int, str | None]
    offsets_ns: Mapping[int, int] = field(default_factory=dict)
    component: Mapping[int, int] = field(default_factory=dict)
    residual_ns: int = 0

    def offset(self, a: int, b: int) -> int | None:
        """What to add to b's stamps to compare them with a's, where it is known."""
        if a not in self.component or b not in self.component or self.component[a] != self.component[b]:
            return None
        return self.offsets_ns[b] - self.offsets_ns[a]

    def trust(self, a: int, b: int) -> Trust:
        """How far the raw clocks of two ranks may be believed."""
        mine, yours = self.hosts.get(a), self.hosts.get(b)
        if mine is None or yours is None:
            return UNKNOWN_HOSTS
        return SAME_HOST if mine == yours else OTHER_HOST


@dataclass(frozen=True, slots=True)
class Clusters:
    """Rows put together: `number` by row of `row`, equal for one instance. `aligned` are the ranks that
    were placed.
    """

    row: Int64
    number: Int64
    aligned: tuple[int, ...]
    misfits: int


def cluster(tracks: Mapping[int, Track], known: Known) -> Clusters:
    """Instances of one group over the given ranks."""
    ranks = sorted(tracks)
    reference = max(ranks, key=lambda rank: (len(tracks[rank]), -rank))
    placed = {reference: 0}
    numbers = {rank: np.full(len(tracks[rank]), -1, dtype=np.int64) for rank in ranks}
    numbers[reference] = np.arange(len(tracks[reference]))
    misfits = 0
    for rank in ranks:
        fit = None if rank == reference else _fit(tracks, reference, rank, known)
        if fit is not None:
            placed[rank] = fit.offset_ns
            numbers[rank][fit.pairs.j] = numbers[reference][fit.pairs.i]
            misfits += fit.misfits
    _join_leftovers(tracks, placed, numbers, len(tracks[reference]))
    return Clusters(
        row=np.concatenate([tracks[rank].row for rank in ranks]),
        number=np.concatenate([numbers[rank] for rank in ranks]),
        aligned=tuple(sorted(placed)),
        misfits=misfits,
    )


def _fit(tracks: Mapping[int, Track], reference: int, rank: int, known: Known) -> Fit | None:
    offset = known.offset(reference, rank)
    if offset is not None:
        fit = at_offset(tracks[reference], tracks[rank], offset)
        return fit if len(fit.pairs) else None
    return align(tracks[reference], tracks[rank], known.trust(reference, rank))


def _join_leftovers(
    tracks: Mapping[int, Track], placed: Mapping[int, int], numbers: dict[int, Int64], fresh: int
) -> None:
    """Rows the reference lacks are compared among the other placed ranks; what stays alone gets its own
    number.
    """
    waiting = sorted(tracks)
    while waiting:
        lead = waiting.pop(0)
        alone = np.flatnonzero(numbers[lead] < 0)
        numbers[lead][alone] = fresh + np.arange(len(alone))
        fresh += len(alone)
        if lead not in placed or len(alone) == 0:
            continue
        for rank in waiting:
            open_rows = np.flatnonzero(numbers[rank] < 0)
            if rank in placed and len(open_rows):
                mine, yours = part(tracks[lead], alone), part(tracks[rank], open_rows)
                pairs = at_offset(mine, yours, placed[rank] - placed[lead]).pairs
                numbers[rank][open_rows[pairs.j]] = numbers[lead][alone[pairs.i]]
