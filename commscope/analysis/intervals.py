"""The only interval algebra: sets of ns spans as two int64 columns, all operations vectorised.

Takes raw starts and ends, or Intervals; gives Intervals: disjoint, sorted, non-empty, never touching.
Starts and ends are sorted independently: the i-th smallest end precedes the (i+1)-th smallest start exactly
where everything before is closed.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import numpy.typing as npt

from commscope.analysis.result import Intervals
from commscope.trace import Int64, Mask

EMPTY = Intervals(np.empty(0, np.int64), np.empty(0, np.int64))


def union_of(start_ns: Int64, end_ns: Int64) -> Intervals:
    """The union of arbitrary spans; empty and inverted ones count for nothing."""
    real = end_ns > start_ns
    if not real.all():
        start_ns, end_ns = start_ns[real], end_ns[real]
    if not len(start_ns):
        return EMPTY
    starts, ends = _sorted(start_ns), _sorted(end_ns)
    breaks = np.flatnonzero(starts[1:] > ends[:-1])
    return Intervals(starts[np.r_[0, breaks + 1]], ends[np.r_[breaks, len(ends) - 1]])


def union(*sets: Intervals) -> Intervals:
    """Time in any of the sets."""
    if len(sets) == 1:
        return sets[0]
    starts = [one.start_ns for one in sets] or [EMPTY.start_ns]
    ends = [one.end_ns for one in sets] or [EMPTY.end_ns]
    return union_of(np.concatenate(starts), np.concatenate(ends))


def intersection(*sets: Intervals) -> Intervals:
    """Time in all of the sets."""
    return reduce(_both, sets) if sets else EMPTY


def difference(this: Intervals, other: Intervals) -> Intervals:
    """Time in `this` and not in `other`."""
    if not len(this.start_ns) or not len(other.start_ns):
        return this
    return _both(this, complement(other, int(this.start_ns[0]), int(this.end_ns[-1])))


def complement(this: Intervals, start_ns: int, end_ns: int) -> Intervals:
    """Time in the window [start, end) that is not in `this`."""
    inside = clip(this, start_ns, end_ns)
    starts, ends = np.r_[start_ns, inside.end_ns], np.r_[inside.start_ns, end_ns]
    # Between two members there is always time; before the first and behind the last there may be none.
    first, last = int(ends[0] <= starts[0]), len(starts) - int(ends[-1] <= starts[-1])
    return Intervals(starts[first:last], ends[first:last])


def clip(this: Intervals, start_ns: int, end_ns: int) -> Intervals:
    """Time in `this` and in the window [start, end)."""
    first = int(np.searchsorted(this.end_ns, start_ns, "right"))
    last = int(np.searchsorted(this.start_ns, end_ns, "left"))
    if last <= first:
        return EMPTY
    starts, ends = this.start_ns[first:last], this.end_ns[first:last]
    if starts[0] < start_ns:
        starts = np.r_[start_ns, starts[1:]]
    if ends[-1] > end_ns:
        ends = np.r_[ends[:-1], end_ns]
    return Intervals(starts, ends)


def measure(this: Intervals) -> int:
    """Total length in ns."""
    return int((this.end_ns - this.start_ns).sum())


def measure_before(this: Intervals, time_ns: npt.ArrayLike) -> Int64:
    """Length of `this` before each of the given times."""
    times = np.asarray(time_ns, dtype=np.int64)
    totals = np.r_[0, np.cumsum(this.end_ns - this.start_ns)]
    after = np.searchsorted(this.start_ns, times, "right")
    ends = np.r_[np.iinfo(np.int64).min, this.end_ns]
    return np.asarray(totals[after] - np.where(after > 0, np.maximum(ends[after] - times, 0), 0), np.int64)


def measure_within(this: Intervals, start_ns: npt.ArrayLike, end_ns: npt.ArrayLike) -> Int64:
    """Length of `this` inside each of many spans [start, end)."""
    return measure_before(this, end_ns) - measure_before(this, start_ns)


def holds(this: Intervals, time_ns: npt.ArrayLike) -> Mask:
    """Which of the given times lie in `this`."""
    times = np.asarray(time_ns, dtype=np.int64)
    if not len(this.start_ns):
        return np.zeros(times.shape, bool)
    at = np.searchsorted(this.start_ns, times, "right") - 1
    return np.asarray((at >= 0) & (this.end_ns[at] > times), bool)


def _sorted(times_ns: Int64) -> Int64:
    """Sorted times; events mostly come sorted already, and looking is far cheaper than sorting."""
    return times_ns if bool((times_ns[1:] >= times_ns[:-1]).all()) else np.sort(times_ns)


def _both(one: Intervals, other: Intervals) -> Intervals:
    """Two disjoint families are at most two deep: the second opens at start i and closes at end i - 1."""
    starts = np.sort(np.concatenate([one.start_ns, other.start_ns]), kind="stable")
    ends = np.sort(np.concatenate([one.end_ns, other.end_ns]), kind="stable")
    deep = starts[1:] < ends[:-1]
    return Intervals(starts[1:][deep], ends[:-1][deep])
