"""Two tracks and an offset that holds about their middle -> the pairs along all of it, following the clocks'
drift.

Blocks of rows are paired from the middle outwards. Each block's offset is foretold from the blocks before
it and corrected by where the ends of its own pairs agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.alignment.tracks import (
    Edges,
    Track,
    assign,
    in_common_order,
    is_rooted,
    middle,
    overlapping,
    part,
)
from commscope.trace import Int64

BLOCK_ROWS = 50
FEWEST_TO_CORRECT = 8
SLOPE_MEMORY = 0.5
MOST_SLOPE = 1e-3


@dataclass(slots=True)
class _Course:
    """Where the offset stands at a time, and how fast it moves."""

    time_ns: int
    offset_ns: float
    slope: float = 0.0

    def at(self, time_ns: int) -> int:
        return round(self.offset_ns + self.slope * (time_ns - self.time_ns))

    def correct(self, time_ns: int, offset_ns: int) -> None:
        passed = time_ns - self.time_ns
        if passed:
            seen = (offset_ns - self.offset_ns) / passed
            self.slope = float(
                np.clip((1 - SLOPE_MEMORY) * self.slope + SLOPE_MEMORY * seen, -MOST_SLOPE, MOST_SLOPE)
            )
        self.time_ns, self.offset_ns = time_ns, offset_ns


@dataclass(frozen=True, slots=True)
class _Other:
    """The track that is moved, and the latest end of its rows so far."""

    track: Track
    reach_ns: Int64


def follow(a: Track, b: Track, offset_ns: int) -> Edges:
    """Pairs of a and b, block by block of a, where `offset_ns` holds at a's middle row."""
    if len(a) <= 3 * BLOCK_ROWS:
        return assign(overlapping(a, b, offset_ns))
    begins = list(range(0, len(a), BLOCK_ROWS))
    home = len(begins) // 2
    other = _Other(b, np.maximum.accumulate(b.end_ns))
    start = _Course(_time(a, begins[home]), offset_ns)
    edges = [_block(a, other, begins[home], start)]
    for course in (begins[home + 1 :], begins[:home][::-1]):
        state = _Course(start.time_ns, start.offset_ns)
        edges.extend(_block(a, other, begin, state) for begin in course)
    return _united(edges)


def _block(a: Track, b: _Other, begin: int, course: _Course) -> Edges:
    """Pairs of one block; moves the course to it where enough pairs tell."""
    block = part(a, slice(begin, begin + BLOCK_ROWS))
    time = _time(a, begin)
    offset = course.at(time)
    found = _near(block, b, offset)
    even = found.gap_ns[~is_rooted(block)[found.i]]
    if len(even) >= FEWEST_TO_CORRECT:
        offset += middle(even)
        found = _near(block, b, offset)
        course.correct(time, offset)
    return Edges(found.i + begin, found.j, found.gap_ns, found.shared_ns, found.shorter_ns)


def _near(block: Track, b: _Other, offset_ns: int) -> Edges:
    """Pairs of a block with the rows of b that lie about it in time."""
    last = int(block.end_ns.max())
    low = int(np.searchsorted(b.reach_ns, block.start_ns[0] - offset_ns, side="left"))
    high = int(np.searchsorted(b.track.start_ns, last - offset_ns, side="right"))
    found = assign(overlapping(block, part(b.track, slice(low, max(low, high))), offset_ns))
    return Edges(found.i, found.j + low, found.gap_ns, found.shared_ns, found.shorter_ns)


def _united(edges: list[Edges]) -> Edges:
    whole = Edges(
        *(
            np.concatenate([getattr(one, name) for one in edges])
            for name in ("i", "j", "gap_ns", "shared_ns", "shorter_ns")
        )
    )
    return in_common_order(whole)


def _time(a: Track, begin: int) -> int:
    return int(a.end_ns[min(begin + BLOCK_ROWS // 2, len(a) - 1)])
