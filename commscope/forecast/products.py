"""How fast matrix products are by their shape: calls of a run -> the rate of each shape, and times of others.

Operations follow from recorded shapes. Through the mean time of each shape goes the line start + operations
/ rate (least squares of relative errors, neither below zero): small products are less efficient by their
start. A run whose products' shapes were not recorded, or with fewer than three, takes times to go with
operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """All calls of one shape on one rank."""

    shapes: tuple[Shape, Shape]  # of the two factors, as the operator was given them
    flops: int  # of one call
    time_ns: int  # of all calls
    count: int

    @property
    def each_ns(self) -> float:
        """Of one call, on average."""
        return self.time_ns / self.count

    @property
    def words(self) -> str:
        """`512x512 @ 512x768`."""
        return " @ ".join("x".join(map(str, shape)) for shape in self.shapes)


@dataclass(frozen=True, slots=True)
class Speed:
    """The line of a machine's products."""

    start_ns: float
    flop_ns: float
    residual: float  # of one shape's time from it: half of all lie nearer, relative

    def ratio(self, flops: float, share: float) -> float:
        """How long a product of a share of its operations takes, over the whole of it."""
        whole = self.start_ns + flops * self.flop_ns
        return (self.start_ns + share * flops * self.flop_ns) / whole if whole else share


PROPORTIONAL = Speed(0.0, 1.0, 0.1)


def speed_of(products: Sequence[Product]) -> Speed:
    """The line through all shapes; proportional where there are fewer than three."""
    shapes = _by_shape(products)
    if len({one.flops for one in shapes}) < 3:
        return PROPORTIONAL
    from scipy.optimize import nnls

    flops = np.array([one.flops for one in shapes], dtype=float)
    times = np.array([one.each_ns for one in shapes])
    scale = flops.max()
    rows = np.stack([np.ones(len(times)), flops / scale], axis=1) / times[:, None]
    (start, rate), _ = nnls(rows, np.ones(len(times)))
    told = start + rate * flops / scale
    return Speed(float(start), float(rate / scale), float(np.median(np.abs(told / times - 1))))


def _by_shape(products: Sequence[Product]) -> list[Product]:
    """Ranks and phases together."""
    sums: dict[tuple[tuple[Shape, Shape], int], tuple[int, int]] = {}
    for one in products:
        time, count = sums.get((one.shapes, one.flops), (0, 0))
        sums[one.shapes, one.flops] = time + one.time_ns, count + one.count
    return [Product(shapes, flops, *sums[shapes, flops]) for shapes, flops in sums if flops > 0]


def largest(products: Sequence[Product], most: int) -> list[Product]:
    """The shapes that took the most time."""
    return sorted(_by_shape(products), key=lambda one: -one.time_ns)[:most]
