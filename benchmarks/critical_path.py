"""How long skeletons, the critical path across ranks and a what-if take: 64 ranks of 100,000 events by
default.

    python -m benchmarks.critical_path [--ranks 64] [--events 100000] [--collectives 1000]

One rank is simulated and its trace given to every rank, each with a clock of its own, one at a time: memory
is that of one rank's events and all ranks' tables. Prints seconds of CPU for each stage, and the size of
what is kept.
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import replace
from pathlib import Path

from commscope.analysis.critical_path.path import paths_of
from commscope.analysis.critical_path.run_graph import run_graph
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank, attribute
from commscope.analysis.skeleton.build import build_skeleton
from commscope.trace import RankTrace, RunInfo
from commscope.whatif import Scenario, replay
from tests.simulate import Comm, Compute, Instruction, World, simulate

EVENTS_PER_KERNEL = 2


def main() -> None:
    """Runs every stage once and prints what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("ranks", 64), ("events", 100_000), ("collectives", 1_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    trace = one_rank(asked.events, asked.collectives)
    watch = _Watch()
    attribution, instances = attribute(trace)
    watch.lap("attribute one rank (not this module)")
    skeleton = build_skeleton(trace, attribution, instances)
    watch.lap(f"skeleton of one rank of {len(trace.events):,} events")
    assert skeleton is not None
    print(f"{'':8}  {len(skeleton.time_ns):,} nodes, {len(skeleton.edge_weight_ns):,} edges")
    first = analyze_rank(trace)
    ranks = [replace(first, rank=rank, skeleton=replace(skeleton, rank=rank)) for rank in range(asked.ranks)]
    ranks = [replace(one, instances=one.instances.assign(rank=one.rank)) for one in ranks]
    watch.lap("copies for all ranks (not this module)")
    analysis = join(RunInfo("benchmark", Path("benchmark")), ranks)
    watch.lap(f"join of {asked.ranks} ranks, matching and path included")
    graph = run_graph(analysis.skeletons, analysis.instances, analysis.clock)
    watch.lap(f"graph of {len(graph.time_ns):,} nodes, {len(graph.source):,} edges")
    (path,) = paths_of(graph, analysis.windows[:1])
    watch.lap(f"critical path of {len(path.parts):,} parts, and slack")
    replay(analysis, Scenario(bandwidth=2.0), "capture")
    watch.lap("what-if")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f}  MiB at most")


def one_rank(events: int, collectives: int) -> RankTrace:
    """Rank 0 of a run whose other ranks do the same."""
    kernels = max(1, events // EVENTS_PER_KERNEL // collectives)
    kinds = ("all_gather", "reduce_scatter", "all_reduce")
    program: list[Instruction] = []
    for k in range(collectives):
        program += [Compute(2_000 + 37 * (i + k) % 9_000) for i in range(kernels)]
        program.append(Comm(kinds[k % 3], 65_536 * (1 + k % 5), wait=k % 4 > 0))
    return simulate(World(), {0: program, 1: program}).traces()[0]


class _Watch:
    """Prints the CPU seconds since the last lap."""

    def __init__(self) -> None:
        self.last = time.process_time()

    def lap(self, what: str) -> None:
        now = time.process_time()
        print(f"{now - self.last:8.2f}  {what}", flush=True)
        self.last = now


if __name__ == "__main__":
    main()
