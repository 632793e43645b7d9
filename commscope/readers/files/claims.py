"""How far a size is believed that input states but does not hold.

120 bytes may claim two thousand million ranks; whoever allocates what is claimed fills the memory.
"""

from __future__ import annotations

from functools import lru_cache

from commscope.trace import Gap

LARGEST_WORLD = 1 << 20  # several times the largest machine there is
MOST_LISTED = 1 << 22  # ranks that the groups of one file may have together, where they are not written out
MOST_EXPANSION = 200  # of a compressed text


def believed(world_size: int | None) -> int | None:
    """The world size, or None where no machine has as many ranks."""
    return world_size if world_size is not None and 0 < world_size <= LARGEST_WORLD else None


def world_gaps(world_size: int | None, ranks: tuple[int, ...] = ()) -> tuple[Gap, ...]:
    """A gap where a stated world size is not believed."""
    if not world_size or believed(world_size) is not None:
        return ()
    message = f"a world size of {world_size:,} is stated, more than any machine has: not believed"
    return (Gap("bad_world_size", message, ranks, cost="how many ranks are missing is not known"),)


def holds_text(packed: bytes, size_bytes: int) -> bool:
    """Whether a compressed text can be as long as is said; ours are 4 to 21 times their packed form."""
    return 0 <= size_bytes <= MOST_EXPANSION * len(packed)


def holds_rows(file_bytes: int, rows: int) -> bool:
    """Whether a file can hold as many events as is said; ours take 7 to 42 bytes each."""
    return 0 <= rows <= 2 * file_bytes


@lru_cache(maxsize=8)
def even_steps(start: int, stride: int, count: int) -> tuple[int, ...]:
    """Members in even steps; equal claims share one tuple."""
    return tuple(range(start, start + count * stride, stride))
