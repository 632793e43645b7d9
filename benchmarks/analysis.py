"""How fast each stage of the analysis is, and how it grows: events a second at 1 M and 10 M events.

python -m benchmarks.analysis [--events 1000000 10000000] [--ranks 8]

Intervals and the analysis of one rank are measured on that many events of one simulated rank; matching with
and without metadata, clock, waits and the whole join on as many rows of instance tables as such traces hold
(one collective in a hundred events), over all ranks. Prints CPU seconds, events a second and the exponent
of growth from one size to the next (1.0 is linear).
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from commscope.analysis.clocks.solve import solve_clock
from commscope.analysis.intervals import difference, union_of
from commscope.analysis.join import join
from commscope.analysis.matching.match import match
from commscope.analysis.rank import analyze_rank
from commscope.analysis.rows import rows_of
from commscope.analysis.waits.split import waits_of
from commscope.trace import RankTrace, RunInfo
from tests.analysis.tables import World, analyses, simulate
from tests.build import build

EVENTS_PER_COLLECTIVE = 100
PATTERN_US = 1000
MOST_CALLS, ENOUGH_S = 5, 3.0


def main() -> None:
    """Measures every stage at every size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--ranks", type=int, default=8)
    asked = parser.parse_args()
    print(f"{'stage':34} {'events':>12} {'CPU s':>8} {'events/s':>12} {'growth':>7}")
    before: dict[str, tuple[int, float]] = {}
    for events in asked.events:
        for stage, seconds in measured(events, asked.ranks).items():
            growth = ""
            if stage in before:
                fewer, faster = before[stage]
                growth = f"{math.log(seconds / faster) / math.log(events / fewer):.2f}"
            before[stage] = (events, seconds)
            print(f"{stage:34} {events:12,} {seconds:8.2f} {events / seconds:12,.0f} {growth:>7}", flush=True)


def measured(events: int, ranks: int) -> dict[str, float]:
    """CPU seconds of each stage for that many events of one rank, or of all ranks' tables together."""
    seconds = {}
    starts = np.arange(events, dtype=np.int64) * 10
    busy = union_of(starts, starts + 7)
    seconds["intervals: union and difference"] = timed(
        lambda: difference(union_of(starts, starts + 12), busy)
    )
    seconds["one rank: analyze_rank"] = one_rank(events)
    count = max(20, events // EVENTS_PER_COLLECTIVE // ranks)
    for told in (True, False):
        table, _ = simulate(World(ranks=ranks, count=count, facts=told, offsets_us={1: 300}))
        rows = rows_of(table, {})
        found = match(rows, (), {})
        name = "by (group, seq)" if told else "by signature"
        seconds[f"match {name}"] = timed(lambda rows=rows: match(rows, (), {}))  # type: ignore[misc]
    seconds["clock"] = timed(lambda: solve_clock(rows, found.instance, {}))
    seconds["waits"] = timed(lambda: waits_of(rows, found.instance, clocked=True))
    small = analyses(table)
    seconds["join, all of it (by signature)"] = timed(lambda: join(RunInfo("run", Path("run")), small))
    return seconds


def one_rank(events: int) -> float:
    """CPU seconds to analyze one rank; its events are gone afterwards."""
    trace = repeated(events)
    return timed(lambda: analyze_rank(trace))


def repeated(events: int) -> RankTrace:
    """One rank's trace: a short program of kernels, launches and one collective, over and over."""
    kernels = " | ".join(f"compute {20 * k}-{20 * k + 15}" for k in range(EVENTS_PER_COLLECTIVE // 2 - 2))
    (one,) = build(f"r0: {kernels} | all_reduce {PATTERN_US - 40}-{PATTERN_US - 10}")
    return tiled(one, max(1, events // len(one.events)))


def tiled(trace: RankTrace, times: int) -> RankTrace:
    """The trace's events again and again, each time a pattern later, with correlations of their own."""
    events = trace.events
    columns = {}
    for column in fields(events):
        values = getattr(events, column.name)
        if isinstance(values, np.ndarray):
            columns[column.name] = np.tile(values, times)
    turn = np.repeat(np.arange(times, dtype=np.int64), len(events))
    for name in ("start_ns", "end_ns"):
        columns[name] = columns[name] + turn * PATTERN_US * 1000
    for name in ("correlation", "external_id"):
        step = int(getattr(events, name).max()) + 1
        columns[name] = np.where(columns[name] >= 0, columns[name] + turn * step, columns[name])
    return replace(trace, events=replace(events, **columns))


def timed(stage: Callable[[], object]) -> float:
    """CPU seconds of a call: of one that takes seconds, else the median of several."""
    seconds: list[float] = []
    while len(seconds) < MOST_CALLS and sum(seconds) < ENOUGH_S:
        begun = time.process_time()
        stage()
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
