"""Where the ends of n-to-n collectives agree best: an offset and, where it shows, a drift for each rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from commscope.analysis.alignment.instance_blocks import Block, Links
from commscope.analysis.alignment.tracks import middle
from commscope.trace import Int64, Mask

Float64 = npt.NDArray[np.float64]

PPM = 1e-6
MOST_DRIFT_PPM = 1000.0  # quartz is a hundred times better; more is a wrong match
FEWEST_FOR_DRIFT = 20
POLISHING_ROUNDS = 4
NORMAL_SD_OF_MAD = 1.4826
NORMAL_ERROR_OF_MEDIAN = 1.2533


@dataclass(frozen=True, slots=True)
class Estimate:
    """Offsets by position in links.ranks; `links` have the drift taken out already."""

    links: Links
    offsets_ns: Int64
    drift_ppm: Float64
    error_ns: Float64  # standard error of each offset; inf where fewer than two instances tell
    samples: Int64  # instances that tell it
    spread_ns: Float64  # width of the middle four fifths of how far its ends lie off the others'
    residual_ns: int
    origin_ns: int


def drifted(time_ns: Int64, ppm: float, origin_ns: int) -> Int64:
    """Stamps with a linear drift added from the origin on."""
    if ppm == 0.0:
        return time_ns
    added: Int64 = np.rint((time_ns - origin_ns) * (ppm * PPM)).astype(np.int64)
    return time_ns + added


def estimate(links: Links, refused: Mask, hosts: Mapping[int, str | None]) -> Estimate:
    """Offsets from a spanning tree of pairwise medians, polished against the instances' middle ends."""
    even = [_kept(block, refused) for block in links.blocks if block.is_even and len(block.members) > 1]
    even = [block for block in even if len(block.instance)]
    offsets = _tree(even, len(links.ranks))
    samples = [(np.empty(0), np.empty(0)) for _ in links.ranks]
    for _ in range(POLISHING_ROUNDS):
        samples = _samples(even, offsets, len(links.ranks))
        steps = [middle(y) if len(y) else None for _, y in samples]
        home = steps[0] or 0
        offsets = offsets + np.array([0 if step is None else step - home for step in steps], dtype=np.int64)
    origin = _origin(even, offsets)
    drift = _drifts(links, samples, hosts, origin)
    if drift.any():
        flat = _without_drift(links, offsets, drift, origin)
        again = estimate(flat, refused, dict.fromkeys(links.ranks, "drift is already out"))
        return replace(again, drift_ppm=drift, origin_ns=origin)
    left = [y - np.median(y) for _, y in samples if len(y)]
    residual = round(float(np.median(np.abs(np.concatenate(left))))) if left else 0
    errors = np.array([_error(y) for _, y in samples])
    spreads = np.array([_width(y) for _, y in samples])
    counts = np.array([len(y) for _, y in samples], dtype=np.int64)
    return Estimate(links, offsets, drift, errors, counts, spreads, residual, origin)


def _kept(block: Block, refused: Mask) -> Block:
    keep = ~refused[block.instance]
    return replace(
        block,
        instance=block.instance[keep],
        row=block.row[keep],
        start_ns=block.start_ns[keep],
        end_ns=block.end_ns[keep],
    )


def _tree(blocks: list[Block], count: int) -> Int64:
    """Medians of the differences of ends along a tree of the pairs that share most instances."""
    shared = np.zeros((count, count), dtype=np.int64)
    for block in blocks:
        shared[np.ix_(block.members, block.members)] += len(block.instance)
    np.fill_diagonal(shared, 0)
    offsets, reached = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    most, source = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)  # into each open rank
    for _ in range(count):
        open_ranks = np.flatnonzero(~reached)
        best = int(most[open_ranks].max())
        target = int(open_ranks[0])
        if best:  # of equals the lowest source, then the lowest target
            equal = open_ranks[most[open_ranks] == best]
            target = int(equal[np.argmin(source[equal])])
            offsets[target] = offsets[source[target]] + _pair_median(blocks, int(source[target]), target)
        reached[target] = True
        nearer = (shared[target] > most) | ((shared[target] == most) & (target < source))
        most[nearer], source[nearer] = shared[target, nearer], target
    return offsets


def _pair_median(blocks: list[Block], source: int, target: int) -> int:
    gaps = []
    for block in blocks:
        a, b = np.flatnonzero(block.members == source), np.flatnonzero(block.members == target)
        if len(a) and len(b):
            gaps.append(block.end_ns[:, a[0]] - block.end_ns[:, b[0]])
    return middle(np.concatenate(gaps))


def _samples(blocks: list[Block], offsets: Int64, count: int) -> list[tuple[Float64, Float64]]:
    """For each rank: its ends on the common clock, and how far the instance's middle end lies from them."""
    when: list[list[Int64]] = [[] for _ in range(count)]
    gap: list[list[Float64]] = [[] for _ in range(count)]
    for block in blocks:
        ends = block.end_ns + offsets[block.members]
        base = ends[:, :1]
        amid = np.median(ends - base, axis=1)
        for m, rank in enumerate(block.members.tolist()):
            when[rank].append(ends[:, m])
            gap[rank].append(amid - (ends[:, m] - base[:, 0]))
    empty: Float64 = np.empty(0)
    return [
        (np.concatenate(w), np.concatenate(g)) if w else (empty, empty)
        for w, g in zip(when, gap, strict=True)
    ]


def _origin(blocks: list[Block], offsets: Int64) -> int:
    ends = [block.end_ns[:, 0] + offsets[block.members[0]] for block in blocks]
    return int(np.median(np.concatenate(ends))) if ends else 0


def _drifts(
    links: Links, samples: list[tuple[Float64, Float64]], hosts: Mapping[int, str | None], origin: int
) -> Float64:
    """Drift against the first rank, where it stands clear of the noise. Ranks of one host share one clock."""
    slopes = [_slope(when, gap, origin) for when, gap in samples]
    home = hosts.get(links.ranks[0])
    drift = np.zeros(len(slopes))
    for n, (slope, error) in enumerate(slopes[1:], start=1):
        relative, doubt = slope - slopes[0][0], np.hypot(error, slopes[0][1])
        same_clock = home is not None and hosts.get(links.ranks[n]) == home
        if not same_clock and abs(relative) > 5 * doubt and abs(relative) <= MOST_DRIFT_PPM * PPM:
            drift[n] = relative / PPM
    return drift


def _slope(when: Float64, gap: Float64, origin: int) -> tuple[float, float]:
    """Least squares through the samples near a robust line, and the slope's standard error."""
    if len(when) < FEWEST_FOR_DRIFT:
        return 0.0, float("inf")
    x = (when - origin).astype(np.float64)
    half = x <= np.median(x)
    if half.all():
        return 0.0, float("inf")
    slope = float(np.median(gap[~half]) - np.median(gap[half])) / float(
        np.median(x[~half]) - np.median(x[half])
    )
    error = float("inf")
    for _ in range(3):
        left = gap - slope * x
        left -= np.median(left)
        near = np.abs(left) <= 3 * NORMAL_SD_OF_MAD * np.median(np.abs(left)) + 1
        across = x[near] - x[near].mean()
        square = float((across**2).sum())
        if square == 0 or near.sum() < FEWEST_FOR_DRIFT:
            return 0.0, float("inf")
        slope = float((across * (gap[near] - gap[near].mean())).sum()) / square
        error = float(np.std(left[near])) / square**0.5
    return slope, error


def _without_drift(links: Links, offsets: Int64, drift: Float64, origin: int) -> Links:
    """The same stamps with each rank's drift taken out, still on its own clock."""
    blocks = []
    for block in links.blocks:
        start, end = block.start_ns.copy(), block.end_ns.copy()
        for m, rank in enumerate(block.members.tolist()):
            move = offsets[rank]
            start[:, m] = drifted(start[:, m] + move, drift[rank], origin) - move
            end[:, m] = drifted(end[:, m] + move, drift[rank], origin) - move
        blocks.append(replace(block, start_ns=start, end_ns=end))
    return replace(links, blocks=tuple(blocks))


def _deviation(gap: Float64) -> float:
    """Median absolute deviation; 0 where there is nothing."""
    return float(np.median(np.abs(gap - np.median(gap)))) if len(gap) else 0.0


def _width(gap: Float64) -> float:
    """Width of the middle four fifths; twice, since between two ranks the middle end lies half-way."""
    return 2 * float(np.subtract(*np.percentile(gap, (90, 10)))) if len(gap) else 0.0


def _error(gap: Float64) -> float:
    """Standard error of the median of the samples."""
    if len(gap) < 2:
        return float("inf")
    return NORMAL_ERROR_OF_MEDIAN * NORMAL_SD_OF_MAD * _deviation(gap) / float(np.sqrt(len(gap)))
