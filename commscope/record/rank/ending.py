"""How the process of a rank ends: what the script made outlives it, and torch's teardown is left out.

The last holder of a process group may be DDP's reducer, which joins gloo's thread and holds the interpreter
meanwhile; that thread, if it has a finished work left to drop, waits for the interpreter. So a rank holds
every process group it sees, and ends once everything that wants to run at exit has run.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

import torch.distributed as dist


class Ending:
    """Made before the script starts, so that it is asked last at exit; `code` is set once all is done."""

    def __init__(self) -> None:
        self.code: int | None = None
        self._held: list[Any] = []
        atexit.register(self._leave)

    def hold(self, thing: Any) -> None:
        """Keep something until the process is gone."""
        self._held.append(thing)

    def hold_groups(self) -> None:
        """Keep the process groups that are there now."""
        known = {id(thing) for thing in self._held}
        self._held += [group for group in process_groups() if id(group) not in known]

    def _leave(self) -> None:
        if self.code is None:
            return
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)


def process_groups() -> tuple[Any, ...]:
    """Every process group of this process; torch keeps them in no public place."""
    if not dist.is_available() or not dist.is_initialized():
        return ()
    return tuple(dist.distributed_c10d._world.pg_map)
