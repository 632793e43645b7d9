"""A Dask cluster: takes the ranks of a run and a scheduler's address, gives the analysis of each."""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import RankAnalysis
from commscope.errors import IncompleteTrace, UnreadableTrace, UsageProblem
from commscope.readers import read_rank
from commscope.trace import RankPart, RunInfo

_LOG = logging.getLogger("commscope.engine")
ANSWERS_WITHIN_S = 5
WORKERS_WITHIN_S = 5
_ADDRESS = re.compile(r"(?:[a-z]+://)?(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}/?")


def on_cluster(
    parts: Sequence[RankPart], info: RunInfo, scheduler: str
) -> Generator[RankAnalysis, None, None]:
    """Analyze ranks where Dask puts them. Raises UsageProblem for a scheduler that is none or is alone."""
    client = _client(scheduler)
    return _results(client, parts, info)


def analyze_there(part: RankPart, info: RunInfo) -> RankAnalysis:
    """Read and analyze one rank on a worker, which may not see the file."""
    if not part.path.exists():
        raise UnreadableTrace(
            f"not seen on worker {_worker()}",
            where=str(part.path),
            hint="is it on a file system that all workers share, at the same path?",
        )
    return analyze_rank(read_rank(part, info))


def _results(client: Any, parts: Sequence[RankPart], info: RunInfo) -> Generator[RankAnalysis, None, None]:
    import distributed

    with closing(client):
        there = [replace(part, path=part.path.absolute()) for part in parts]
        futures = {client.submit(analyze_there, part, info, pure=False): part for part in there}
        known = _workers(client)
        for future in distributed.as_completed(list(futures), loop=client.loop):
            now = _workers(client)
            for worker in sorted(known - now):
                _LOG.warning("worker %s was lost: what it had is analyzed again elsewhere", worker)
            known = now
            try:
                yield future.result()
            except distributed.KilledWorker as error:
                part = futures[future]
                raise IncompleteTrace(
                    f"workers died, one after the other, over rank {part.rank}",
                    where=str(part.path),
                    hint="most likely of too little memory: fewer threads a worker, or workers with more",
                ) from error


def _workers(client: Any) -> set[str]:
    """As the scheduler knows them now; what a client keeps of them lags behind."""
    return set(client.ncores())


def _client(scheduler: str) -> Any:
    try:
        import distributed
    except ImportError as error:
        raise UsageProblem(
            "a Dask scheduler was named, but Dask is not installed",
            where=scheduler,
            hint="pip install distributed",
        ) from error
    if not _ADDRESS.fullmatch(scheduler):
        raise UsageProblem(
            "not the address of a Dask scheduler", where=scheduler, hint="such as tcp://host:8786"
        )
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it logs is told below
    try:
        client = distributed.Client(scheduler, timeout=ANSWERS_WITHIN_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UsageProblem(
            f"no Dask scheduler answers: {error}", where=scheduler, hint="such as tcp://host:8786"
        ) from error
    try:
        client.wait_for_workers(1, timeout=WORKERS_WITHIN_S)
    except TimeoutError as error:
        client.close()
        raise UsageProblem(
            f"the Dask scheduler has no workers, and none came in {WORKERS_WITHIN_S} seconds",
            where=scheduler,
            hint=f"start some: dask worker {scheduler}",
        ) from error
    return client


def _worker() -> str:
    import distributed

    return str(distributed.get_worker().address)
