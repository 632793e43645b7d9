"""Numbers of one run's typical step, each with what it is called and what it is: Analysis -> gauges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from commscope.analysis.result import Analysis, RankBreakdown
from commscope.analysis.summary import (
    breakdown_of,
    collective_totals,
    communication_class,
    longest_span_ns,
    typical_window,
)

_NS = 1e9
_HELP = {
    "ranks": "ranks recorded",
    "ranks_missing": "ranks of the world that were not recorded",
    "step_seconds": "the step of median length, on the rank where it lasts longest",
    "compute_ratio": "share of the step in which ranks compute",
    "exposed_ratio": "share of the step in which ranks communicate and do not compute",
    "exposed_wait_ratio": "share of the step in which ranks wait in a collective for a late rank",
    "copy_ratio": "share of the step in copies alone",
    "host_bound_ratio": "share of the step in which the device waits for launches",
    "idle_ratio": "share of the step without a recorded reason",
    "instances": "collectives of the capture",
    "instances_matched": "collectives proved on all recorded members",
    "payload_bytes": "whole tensors, mean per rank and step",
    "wire_bytes": "bytes a rank sends on a ring, mean per rank and step",
    "transfer_busbw_bytes_per_second": "wire bytes / transfer, waiting left out",
    "waited_for_seconds": "time others waited for this rank",
    "communication_class": "1 for the class of the step: transfer, arrival skew, mixed or inconclusive",
    "memory_peak_bytes": "peak memory of the rank that needs most",
}


@dataclass(frozen=True, slots=True)
class Gauge:
    """One number; labels as pairs."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def meaning(self) -> str:
        """What it is, in words."""
        return _HELP[self.name]


def flat(gauges: Iterable[Gauge]) -> dict[str, float]:
    """`busbw.../all_reduce` and the like as keys, for trackers of experiments."""
    return {"/".join([one.name, *(value for _, value in one.labels)]): one.value for one in gauges}


def gauges_of(analysis: Analysis) -> tuple[Gauge, ...]:
    """All gauges of a run that can be told."""
    window = typical_window(analysis)
    return (
        Gauge("ranks", len(analysis.ranks)),
        Gauge("ranks_missing", len(analysis.missing_ranks)),
        *_times(analysis, window),
        Gauge("instances", analysis.matching.instances),
        Gauge("instances_matched", analysis.matching.matched),
        *_moved(analysis, window),
        *_waited_for(analysis, window),
        Gauge("communication_class", 1.0, (("class", communication_class(analysis, window)),)),
        *_memory(analysis),
    )


def _times(analysis: Analysis, window: str) -> Iterator[Gauge]:
    rows = breakdown_of(analysis, window)
    if not rows:
        return
    yield Gauge("step_seconds", longest_span_ns(analysis, window) / _NS)
    for part in ("compute", "exposed", "exposed_wait", "copy", "host_bound", "idle"):
        share = _share(rows, f"{part}_ns")
        if share is not None:
            yield Gauge(f"{part}_ratio", share)


def _share(rows: tuple[RankBreakdown, ...], field: str) -> float | None:
    parts = [getattr(row, field) for row in rows]
    return None if None in parts else sum(parts) / max(1, sum(row.span_ns for row in rows))


def _moved(analysis: Analysis, window: str) -> Iterator[Gauge]:
    ranks = max(1, len(analysis.ranks))
    for row in collective_totals(analysis, window, ("collective",)).to_dict("records"):
        label = (("collective", str(row["collective"])),)
        for name in ("payload_bytes", "wire_bytes"):
            total = _number(row[f"total_{name}"])
            if total is not None:
                yield Gauge(name, total / ranks, label)
        wire, transfer_ns = _number(row["matched_wire_bytes"]), _number(row["matched_transfer_ns"])
        if wire and transfer_ns:
            yield Gauge("transfer_busbw_bytes_per_second", wire / transfer_ns * _NS, label)


def _waited_for(analysis: Analysis, window: str) -> Iterator[Gauge]:
    waited: dict[int, int] = {}
    for stall in analysis.stalls:
        if stall.window == window:
            waited[stall.culprit] = waited.get(stall.culprit, 0) + stall.wait_ns
    for rank, wait_ns in sorted(waited.items()):
        yield Gauge("waited_for_seconds", wait_ns / _NS, (("rank", str(rank)),))


def _memory(analysis: Analysis) -> Iterator[Gauge]:
    peaks = [row.peak_bytes for row in analysis.memory]
    if peaks:
        yield Gauge("memory_peak_bytes", max(peaks))


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
