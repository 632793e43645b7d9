"""What an nsys export lacks, in words: takes what was found in it, gives gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from commscope.trace import Gap

_RECORD = "nsys profile --trace cuda,nvtx"


@dataclass(frozen=True, slots=True)
class Found:
    """What an export held of one process and device."""

    has_epoch: bool
    kernels: int  # and whole graphs
    on_device: int  # kernels, graphs, copies and memsets
    has_nvtx: bool
    negative: int  # rows that end before they start
    bad: int  # rows without usable times


def gaps_of(rank: int, found: Found) -> tuple[Gap, ...]:
    """Every lack, with what it costs."""
    return tuple(_gaps((rank,), found))


def _gaps(rank: tuple[int, ...], found: Found) -> Iterator[Gap]:
    if not found.has_epoch:
        yield Gap(
            "no_session_start",
            "the export does not say when the session began",
            rank,
            cost="ranks of different files cannot be aligned by their own clocks",
        )
    if not found.on_device:
        yield Gap("no_device_events", "no kernel, copy or graph was recorded", rank, hint=_RECORD)
    elif not found.kernels:
        yield Gap(
            "no_kernels",
            "copies were recorded, but no kernel and no graph",
            rank,
            cost="nothing is known of computation and communication",
            hint=_RECORD,
        )
    if not found.has_nvtx:
        yield Gap("no_nvtx", "no NVTX ranges were recorded: phases cannot be told", rank, hint=_RECORD)
    if found.negative:
        told = f"{found.negative} rows end before they start: taken as length 0"
        yield Gap("negative_durations", told, rank)
    if found.bad:
        yield Gap("bad_events", f"{found.bad} rows have no usable times and are left out", rank)
