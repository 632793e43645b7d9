"""How long collectives take on a machine: transfers of a run -> latency and rate of each kind, and new times.

A transfer is the time after the last rank has come, so nobody's lateness is in it. Through the median
transfer of each payload goes the line steps x latency + wire bytes / rate, with a ring's steps: 2(n-1) for
an all_reduce, n-1 for the others. A payload that was measured keeps its own median. A kind that was not
measured, or with small payloads only, takes the line through all kinds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from commscope.schema import Collective, ring_wire_bytes

# gloo's reduce_scatter is an all_reduce of which each rank keeps its part (torch's ProcessGroupGloo): the
# sockets of a TP + SP run send what all_reduces would.
_FAR = 4  # times the largest payload measured: beyond it a kind's own line says little
_AS_IF = {("gloo", str(Collective.REDUCE_SCATTER)): str(Collective.ALL_REDUCE)}


Point = tuple[str, int, int]  # collective, payload bytes, ranks


@dataclass(frozen=True, slots=True)
class Line:
    """One kind's transfers: ns a step of the ring, ns a wire byte, and how far its points lie from it."""

    step_ns: float
    byte_ns: float
    residual: float  # largest relative error over the measured payloads
    largest_bytes: int  # payload that was measured

    def time_ns(self, collective: str, payload_bytes: int, ranks: int, crowding: float = 1.0) -> float:
        """One collective by this line. Ranks that share cores take turns to copy; others' steps go on."""
        copied = ring_wire_bytes(collective, payload_bytes, ranks) * self.byte_ns
        return _steps(collective, ranks) * self.step_ns + copied * crowding


@dataclass(frozen=True, slots=True)
class Transfers:
    """Everything a run tells of its network."""

    backend: str
    lines: dict[str, Line]
    everything: Line  # through all kinds
    medians_ns: dict[Point, float]
    scatter: float  # of equal transfers around their median, relative

    def time_ns(self, collective: str, payload_bytes: int, ranks: int, crowding: float = 1.0) -> float:
        """One collective over so many ranks; nothing for one rank, and where nothing at all was measured."""
        if ranks <= 1 or not self.lines:
            return 0.0
        kind = self.really(collective)
        known = self.medians_ns.get((kind, payload_bytes, ranks))
        if known is not None and crowding == 1.0:
            return known
        return self._line(kind, payload_bytes).time_ns(kind, payload_bytes, ranks, crowding)

    def is_measured(self, collective: str, payload_bytes: int) -> bool:
        """Whether transfers of this kind (or of what it really is) and about this size were recorded."""
        kind = self.really(collective)
        return self._line(kind, payload_bytes) is self.lines.get(kind)

    def really(self, collective: str) -> str:
        """What the backend runs for it."""
        return _AS_IF.get((self.backend, collective), collective)

    def _line(self, kind: str, payload_bytes: int) -> Line:
        own = self.lines.get(kind)
        return self.everything if own is None or payload_bytes > _FAR * own.largest_bytes else own


def transfers_of(instances: pd.DataFrame, backend: str | None) -> Transfers:
    """The network of a run, from the rows of its instances that have a transfer."""
    known = instances[
        instances["transfer_ns"].notna()
        & instances["payload_bytes"].notna()
        & instances["window"].notna()
        & (instances["group_size"] > 1)
    ]
    each = known.groupby("instance").first() if len(known) else known
    network = Transfers(backend or "", {}, Line(0.0, 0.0, 0.0, 0), {}, 0.0)
    kinds = each["collective"].astype(str).map(network.really)
    medians: dict[Point, float] = {}
    apart: list[float] = []
    for key, rows in each.groupby([kinds, "payload_bytes", "group_size"], observed=True):
        times = rows["transfer_ns"].to_numpy(dtype=np.float64)
        median = float(np.median(times))
        kind, payload, ranks = tuple(key) if isinstance(key, tuple) else (key, 0, 0)
        medians[str(kind), int(str(payload)), int(str(ranks))] = median
        if len(times) > 2 and median > 0:
            apart.append(float(np.median(np.abs(times - median))) / median)
    return replace(
        network,
        lines={
            kind: _line_through(_of_kind(medians, kind)) for kind in sorted({kind for kind, _, _ in medians})
        },
        everything=_line_through(medians),
        medians_ns=medians,
        scatter=float(np.median(apart)) if apart else 0.0,
    )


def _of_kind(medians: dict[Point, float], kind: str) -> dict[Point, float]:
    return {point: time for point, time in medians.items() if point[0] == kind}


def _line_through(medians: dict[Point, float]) -> Line:
    """Latency and rate by least squares of relative errors, neither below zero."""
    points = [(point, time) for point, time in medians.items() if time > 0]
    largest = max((payload for (_, payload, _), _ in points), default=0)
    if not points:
        return Line(0.0, 0.0, 0.0, largest)
    rows = np.array(
        [(_steps(kind, ranks), ring_wire_bytes(kind, size, ranks)) for (kind, size, ranks), _ in points]
    )
    times = np.array([time for _, time in points])
    step_ns, byte_ns = _nonnegative(rows / times[:, None])
    line = Line(step_ns, byte_ns, 0.0, largest)
    errors = [abs(line.time_ns(*point) / time - 1) for point, time in points]
    return replace(line, residual=max(errors))


def _nonnegative(rows: np.ndarray) -> tuple[float, float]:
    """The two factors with which the columns come nearest to 1."""
    from scipy.optimize import nnls

    found, _ = nnls(rows, np.ones(len(rows)))
    return float(found[0]), float(found[1])


def _steps(collective: str, ranks: int) -> int:
    return (2 if collective == Collective.ALL_REDUCE else 1) * (ranks - 1)


def total_ns(transfers: Transfers, rows: Iterable[tuple[str, int, int, int]], crowding: float = 1.0) -> float:
    """(collective, payload, ranks, count) one after the other."""
    return sum(
        count * transfers.time_ns(kind, payload, ranks, crowding) for kind, payload, ranks, count in rows
    )
