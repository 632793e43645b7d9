"""A script's own profiler while it is recorded: it stands still, since two in one process end it.

Kineto is one a process: a second `torch.profiler.profile` that starts or stops under ours crashed the rank.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.autograd.profiler_util import EventList

from commscope.trace import Gap

_EMPTY = ("events", "key_averages")
_NOTHING = (
    "start",
    "stop",
    "step",
    "prepare_trace",
    "start_trace",
    "stop_trace",
    "export_chrome_trace",
    "export_stacks",
    "export_memory_timeline",
    "add_metadata",
    "add_metadata_json",
    "preset_metadata_json",
    "toggle_collection_dynamic",
)


class OwnProfiler:
    """Whether the script used one."""

    def __init__(self) -> None:
        self.used = False

    def gaps(self, rank: int) -> Sequence[Gap]:
        """Says that the script's own profiler has nothing to show."""
        what = "the script's own torch.profiler stood still while it was recorded: its trace is not written"
        return (Gap("own_profiler", what, (rank,), serious=False),) if self.used else ()


@contextlib.contextmanager
def own_profiler_stands_still(own: OwnProfiler) -> Iterator[None]:
    """While this is open, profilers that the script makes do nothing; ours was made before."""
    kineto, older = torch.profiler.profile, torch.autograd.profiler.profile
    places = ((torch.profiler, _still(kineto, own)), (torch.profiler.profiler, _still(kineto, own)))
    for place, profile in (*places, (torch.autograd.profiler, _still_once_entered(older, own))):
        setattr(place, "profile", profile)  # noqa: B010 - mypy minds an assignment to a class
    try:
        yield
    finally:
        for place, profile in ((torch.profiler, kineto), (torch.profiler.profiler, kineto)):
            setattr(place, "profile", profile)  # noqa: B010
        setattr(torch.autograd.profiler, "profile", older)  # noqa: B010


def _still_once_entered(original: type, own: OwnProfiler) -> type:
    """The older profiler, which ours uses inside without ever entering it."""
    still = _still(original, own)

    def entered(self: Any) -> Any:
        own.used = True
        self.__class__ = still
        return self

    return type(original.__name__, (original,), {"__enter__": entered})


def _still(original: type, own: OwnProfiler) -> type:
    """A class like the original, so that isinstance holds, whose instances profile nothing."""

    def entered(self: Any) -> Any:
        own.used = True
        return self

    def nothing(_self: Any, *_args: Any, **_kwargs: Any) -> None:
        own.used = True

    def empty(_self: Any, *_args: Any, **_kwargs: Any) -> EventList:
        return EventList([])  # type: ignore[no-untyped-call]

    methods: dict[str, Any] = dict.fromkeys([name for name in _NOTHING if hasattr(original, name)], nothing)
    methods |= dict.fromkeys([name for name in _EMPTY if hasattr(original, name)], empty)
    return type(original.__name__, (original,), {**methods, "__enter__": entered, "__exit__": nothing})
