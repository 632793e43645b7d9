"""Run -> Analysis: one function mapped over the ranks, in this process, in local processes or on a Dask
cluster, then the join.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from commscope.analysis.join import join
from commscope.analysis.result import Analysis
from commscope.engine.cluster import on_cluster
from commscope.engine.kept import analysis_of, clear_up
from commscope.engine.workers import over_ranks
from commscope.errors import UsageProblem
from commscope.trace import Run

OnRank = Callable[[int], None]


def analyze(
    run: Run, *, jobs: int | None = None, scheduler: str | None = None, on_rank: OnRank | None = None
) -> Analysis:
    """Analyze all ranks of a run and join them.

    `jobs` local processes (default: as many as pay off), or the Dask `scheduler` at that address. `on_rank`
    is called with the rank as each is done. Raises CommScopeError where a rank cannot be read.
    """
    if jobs is not None and jobs < 1:
        raise UsageProblem(f"cannot use {jobs} processes", hint="give --jobs a number of at least 1")
    if scheduler is not None:
        results = on_cluster(run.parts, run.info, scheduler)
    else:
        results = over_ranks(run, analysis_of(run), jobs=jobs)
    ranks = []
    with closing(results):
        for one in results:
            ranks.append(one)
            if on_rank is not None:
                on_rank(one.rank)
    clear_up()
    return join(run.info, ranks, run.gaps)
