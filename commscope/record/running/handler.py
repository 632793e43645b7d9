"""A handler for a program's own torch.profiler: each trace that is ready becomes part of a run."""

from __future__ import annotations

import atexit
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from commscope.errors import CommScopeError
from commscope.record.handover.facts import RankFacts, write_facts
from commscope.record.handover.output import finish_as_far
from commscope.record.handover.request import WORK_FOLDER, RecordRequest
from commscope.record.rank import (
    Rank,
    Wait,
    launch_name,
    process_facts,
    save_in_child,
    save_in_thread,
    save_trace,
    this_rank,
)
from commscope.trace import Gap


def trace_handler(run: str | Path) -> Callable[[Any], None]:
    """What torch.profiler takes as `on_trace_ready`: writes this rank's trace and facts into a run folder.

    No rank waits for another: the last one makes run.json whole. A folder that holds a run stays as it is:
    later cycles, and later launches, go to RUN-2, RUN-3, ... What fails is told on stderr, never raised.
    """
    return TraceHandler(Path(run).absolute())


class TraceHandler:
    """Called in every rank whenever a cycle of its profiler has ended."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._used: set[Path] = set()
        self._wait: Wait | None = None

    def __call__(self, profiler: Any) -> None:
        """Save what the profiler has; returns before it is written."""
        try:
            self._save(profiler.profiler)
        except (CommScopeError, OSError) as error:
            sys.stderr.write(f"{error}\n")

    def wait(self) -> None:
        """Return once the last trace is written."""
        wait, self._wait = self._wait, None
        if wait is not None:
            try:
                wait()
            except CommScopeError as error:
                sys.stderr.write(f"{error}\n")

    def _save(self, profiler: Any) -> None:
        self.wait()
        rank = this_rank()
        output = next(self._free_places(launch_name()))
        self._used.add(output)
        request = _request(output, rank)
        facts = _facts(request, rank)

        def write() -> None:
            save_trace(profiler, request, rank.rank)
            write_facts(request.work_folder, facts)
            finish_as_far(request)

        self._wait = (save_in_child if rank.device == "cpu" else save_in_thread)(write)
        atexit.unregister(self.wait)
        atexit.register(self.wait)

    def _free_places(self, launch: str) -> Iterator[Path]:
        """Folders that are new, or where other ranks of this launch are at the same cycle."""
        for number in count(1):
            place = self._run if number == 1 else self._run.with_name(f"{self._run.name}-{number}")
            if place not in self._used and is_joined(place, launch):
                yield place


def is_joined(place: Path, launch: str) -> bool:
    """Make a run folder for a launch, or find that a rank of the same launch did.

    In one step: no rank ever sees a folder without the mark of its launch.
    """
    mark = Path(WORK_FOLDER) / f"launch-{launch}"
    if not place.exists():
        new = place.with_name(f".{secrets.token_hex(8)}.partial")
        (new / mark).mkdir(parents=True)
        try:
            new.rename(place)
        except OSError:  # another rank was faster
            (new / mark).rmdir()
            (new / WORK_FOLDER).rmdir()
            new.rmdir()
    return (place / mark).exists()


def _request(output: Path, rank: Rank) -> RecordRequest:
    name = Path(sys.argv[0]).name or "python"
    return RecordRequest(output, name, (name,), nproc=rank.world_size, command=(name,))


def _facts(request: RecordRequest, rank: Rank) -> RankFacts:
    facts = process_facts(rank, request.workload, complete=True)
    own = "the program's own profiler recorded: there are no ledger, losses, memory or times of plain steps"
    return replace(facts, gaps=(*facts.gaps, Gap("own_facts", own, (rank.rank,), serious=False)))
