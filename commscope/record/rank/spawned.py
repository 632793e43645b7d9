"""A script that starts its ranks itself is told so at once: they would wait for a launcher's store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch.multiprocessing

from commscope.errors import RecordFailed

_STARTERS = ("spawn", "start_processes")


@contextlib.contextmanager
def spawning_refused() -> Iterator[None]:
    """While this is open, torch.multiprocessing.spawn raises RecordFailed, which says another way."""
    saved = {name: getattr(torch.multiprocessing, name) for name in _STARTERS}
    for name in _STARTERS:
        setattr(torch.multiprocessing, name, _refuse)
    try:
        yield
    finally:
        for name, starter in saved.items():
            setattr(torch.multiprocessing, name, starter)


def _refuse(*_args: Any, **_kwargs: Any) -> None:
    raise RecordFailed(
        "the script starts its ranks itself (torch.multiprocessing.spawn)",
        hint="run it plainly with `with commscope.profile(RUN) as steps` in the spawned function; "
        "or let the launcher start the ranks: --nproc N and init_process_group() from the environment",
    )
