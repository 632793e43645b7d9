"""What ranks did between moments of the common clock: looked up in their activities by cell, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from commscope.analysis.clocks import common_time
from commscope.analysis.result import Activities, Activity, ActivitySums, Clock, RankAnalysis
from commscope.trace import Int64


@dataclass(frozen=True, slots=True)
class _Sums:
    """Time by activity and cell of one rank: row -> activity among all ranks' names, time, and its cell."""

    first: Int64
    activity: Int64
    time_ns: Int64
    cell: Int64
    rest_ns: Int64


@dataclass(frozen=True, slots=True)
class Record:
    """The activities of one rank, its borders on the common clock."""

    borders_ns: Int64
    device: _Sums
    host: _Sums


@dataclass(frozen=True, slots=True)
class Records:
    """The activities of all ranks that have any, under one list of names."""

    of_rank: dict[int, Record]
    names: tuple[Activity, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What lies between the two moments of each of many questions; `asked` says of which question."""

    asked: Int64
    activity: Int64
    time_ns: Int64
    cell: Int64  # with the rank's own numbers
    whole_ns: Int64  # length of the cell ...
    part_ns: Int64  # ... and of its part between the moments
    rest_ns: Int64  # of the cell: what the activities that are not told took together

    @property
    def least_ns(self) -> Int64:
        """How long each activity took at least between the moments."""
        least: Int64 = np.clip(self.time_ns - (self.whole_ns - self.part_ns), 0, None)
        return least

    @property
    def most_ns(self) -> Int64:
        """How long at most."""
        return np.minimum(self.time_ns, self.part_ns)


def records_of(ranks: Sequence[RankAnalysis], clock: Clock | None) -> Records:
    """The records of the ranks that have activities."""
    names: dict[tuple[Activity, str | None], int] = {}  # a frame is no part of what makes two equal
    found: dict[int, Record] = {}
    for one in ranks:
        told = one.activities
        if told is not None:
            number = np.array(
                [names.setdefault((name, name.frame), len(names)) for name in told.names], np.int64
            )
            found[one.rank] = _record(told, number, common_time(clock, one.rank, told.borders_ns))
    return Records(found, tuple(name for name, _ in names))


def _record(told: Activities, number: Int64, borders_ns: Int64) -> Record:
    device = _sums(told.device, number)
    return Record(borders_ns, device, device if told.host is told.device else _sums(told.host, number))


def _sums(sums: ActivitySums, number: Int64) -> _Sums:
    cell = np.repeat(np.arange(len(sums.first) - 1), np.diff(sums.first))
    activity = number[sums.activity] if len(number) else sums.activity.astype(np.int64)
    return _Sums(sums.first, activity, sums.time_ns, cell, sums.rest_ns)


def reach(borders_ns: Int64, start_ns: Int64, end_ns: Int64) -> tuple[Int64, Int64]:
    """The first of the cells that reach between two moments, and the one behind the last."""
    low = np.maximum(np.searchsorted(borders_ns, start_ns, "right") - 1, 0)
    high = np.minimum(np.searchsorted(borders_ns, end_ns, "left"), len(borders_ns) - 1)
    return low, np.maximum(high, low)


def rows_between(record: Record, sums: _Sums, start_ns: Int64, end_ns: Int64, asked: Int64) -> Rows:
    """The rows of one rank's cells that reach between the moments of each question."""
    borders = record.borders_ns
    low, high = reach(borders, start_ns, end_ns)
    counts = sums.first[high] - sums.first[low]
    which = np.repeat(np.arange(len(low)), counts)
    row = sums.first[low][which] + np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    cell = sums.cell[row]
    part = np.minimum(borders[cell + 1], end_ns[which]) - np.maximum(borders[cell], start_ns[which])
    whole = borders[cell + 1] - borders[cell]
    return Rows(asked[which], sums.activity[row], sums.time_ns[row], cell, whole, part, sums.rest_ns[cell])


def rows_of_ranks(records: Records, rank: Int64, start_ns: Int64, end_ns: Int64) -> Rows:
    """What the devices of some ranks did: question n is of `rank[n]`, from `start_ns[n]` to `end_ns[n]`."""
    parts = []
    for one in np.unique(rank).tolist():
        record = records.of_rank.get(one)
        mine = np.flatnonzero(rank == one)
        if record is not None and len(record.borders_ns) > 1:
            parts.append(rows_between(record, record.device, start_ns[mine], end_ns[mine], mine))
    names = [one.name for one in fields(Rows)]
    found = [np.concatenate([getattr(part, name) for part in parts]) for name in names if parts]
    return Rows(*found) if found else Rows(*(np.empty(0, np.int64) for _ in range(7)))
