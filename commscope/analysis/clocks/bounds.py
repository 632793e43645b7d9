"""Hard bounds on clock offsets: difference constraints between ranks, closed and projected on.

`bound[i, j]` is the most that offset j may exceed offset i: o_j - o_i <= min over instances (end_i -
start_j).
"""

from __future__ import annotations

import numpy as np

from commscope.analysis.alignment.instance_blocks import Links
from commscope.core import core
from commscope.trace import Int64, Mask

UNBOUNDED = 1 << 61


def pair_bounds(links: Links, refused: Mask) -> Int64:
    """The direct bounds that all instances but the refused ones give."""
    count = len(links.ranks)
    bound = np.full((count, count), UNBOUNDED, dtype=np.int64)
    np.fill_diagonal(bound, 0)
    for block in links.blocks:
        kept = ~refused[block.instance]
        if not kept.any():
            continue
        starts, ends = block.start_ns[kept], block.end_ns[kept]
        for m, rank in enumerate(block.members):
            room = (ends[:, m : m + 1] - starts).min(axis=0)
            gating = block.gates[:, m].copy()
            gating[m] = False
            others = block.members[gating]
            bound[rank, others] = np.minimum(bound[rank, others], room[gating])
    return bound


def closed(bound: Int64) -> Int64:
    """All bounds that follow, by Floyd's algorithm; a negative diagonal means that no offsets exist."""
    native, closure = core(), bound.copy()
    if native is None or not native.shortest(closure, len(closure), UNBOUNDED // 2):
        closure = _by_floyd(bound)
    closure[closure >= UNBOUNDED // 2] = UNBOUNDED
    return closure


def _by_floyd(bound: Int64) -> Int64:
    closure = bound.copy()
    for k in range(len(closure)):
        through = closure[:, k : k + 1] + closure[k : k + 1, :]
        np.minimum(closure, through, out=closure)
    return closure


def is_feasible(closure: Int64) -> bool:
    """Whether some offsets satisfy every bound."""
    return bool(np.all(np.diagonal(closure) >= 0))


def projected(offsets_ns: Int64, closure: Int64, loose: Mask) -> Int64:
    """Offsets inside all bounds, near the given ones, amid them for loose ranks; the first rank stays at
    its own.
    """
    fixed = offsets_ns.copy()
    for n in range(1, len(fixed)):
        before = slice(0, n)
        low = np.max(fixed[before] - closure[n, before])
        high = np.min(fixed[before] + closure[before, n])
        if loose[n] and low > -UNBOUNDED // 2 and high < UNBOUNDED // 2:
            fixed[n] = (low + high) // 2
        fixed[n] = min(max(fixed[n], low), high)
    return fixed
