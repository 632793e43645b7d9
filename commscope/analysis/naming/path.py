"""Names on the critical path: paths and records -> the same paths, their longest parts with activities.

A part of compute, copies or idle time is named by what the rank's device did in it, a part of the host by
its launching threads; of the same phase and layer where any is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from commscope.analysis.naming.records import Records, Rows, reach, rows_between
from commscope.analysis.result import Activity, CriticalPath, PathPart, Spent
from commscope.trace import Int64

MOST_PARTS = 2_000  # of all paths together
NAMES = 3  # activities of a part
OF_PATH = 20  # activities of a path
_KINDS = {
    "compute": ("compute",),
    "copy": ("copy",),
    "host": ("host", "host_bound", "idle"),
    "idle": ("host_bound", "idle"),
}


def with_names(paths: Sequence[CriticalPath], records: Records) -> tuple[CriticalPath, ...]:
    """The paths, their longest parts named."""
    told = list(dict.fromkeys(part for path in paths for part in path.parts if part.kind in _KINDS))
    longest = sorted(told, key=_length, reverse=True)[:MOST_PARTS]
    named: dict[PathPart, Spent] = {}
    for is_host in (True, False):
        for rank, record in records.of_rank.items():
            mine = [part for part in longest if part.rank == rank and (part.kind == "host") == is_host]
            if mine and len(record.borders_ns) > 1:
                named |= zip(mine, _spent(mine, records, rank, is_host=is_host), strict=True)
    return tuple(_named(path, named) for path in paths)


def _named(path: CriticalPath, named: Mapping[PathPart, Spent]) -> CriticalPath:
    total: dict[tuple[int, Activity], int] = defaultdict(int)
    for part in path.parts:
        for activity, time_ns in named.get(part, ()):
            total[part.rank, activity] += time_ns
    longest = sorted(total.items(), key=lambda item: -item[1])[:OF_PATH]
    return replace(
        path,
        parts=tuple(
            replace(part, spent=named[part][:NAMES]) if part in named else part for part in path.parts
        ),
        spent=tuple((*which, time_ns) for which, time_ns in longest),
    )


def _length(part: PathPart) -> int:
    return part.end_ns - part.start_ns


def _spent(parts: Sequence[PathPart], records: Records, rank: int, *, is_host: bool) -> list[Spent]:
    """How long each activity took at least in each of a rank's parts of a path.

    A part stands for time of its kind, phase and layer between two collectives, wherever it lay between
    them: so it holds all such time but for what is longer than the part.
    """
    record = records.of_rank[rank]
    sums = record.host if is_host else record.device
    start, end = np.array([(part.start_ns, part.end_ns) for part in parts], np.int64).T
    rows = rows_between(record, sums, start, end, np.arange(len(parts)))
    low, high = reach(record.borders_ns, start, end)
    rest = np.r_[0, np.cumsum(sums.rest_ns)]
    beside = rest[high] - rest[low] - (end - start)
    fits = _fits(rows, parts, records)
    np.add.at(beside, rows.asked[fits], rows.time_ns[fits])
    whole: list[dict[Activity, int]] = [{} for _ in parts]
    least: list[dict[Activity, int]] = [{} for _ in parts]
    columns = (rows.asked[fits], rows.activity[fits], rows.time_ns[fits], rows.least_ns[fits])
    for part, which, time_ns, least_ns in zip(*(column.tolist() for column in columns), strict=True):
        name = records.names[which]
        whole[part][name] = whole[part].get(name, 0) + time_ns
        least[part][name] = least[part].get(name, 0) + least_ns
    return [
        _at_least(whole[n], least[n], max(0, beside_ns), _length(parts[n]))
        for n, beside_ns in enumerate(beside.tolist())
    ]


def _at_least(
    whole: Mapping[Activity, int], least: Mapping[Activity, int], beside_ns: int, length_ns: int
) -> Spent:
    told = {one: max(least[one], min(time_ns - beside_ns, length_ns)) for one, time_ns in whole.items()}
    return tuple(sorted(((one, ns) for one, ns in told.items() if ns > 0), key=lambda item: -item[1]))


def _fits(rows: Rows, parts: Sequence[PathPart], records: Records) -> Int64:
    """Rows of the kind, phase and layer of the part they are asked for."""
    place = [(one.phase, one.layer, one.kind) for one in records.names]
    wanted = [{(part.phase, part.layer, kind) for kind in _KINDS[part.kind]} for part in parts]
    asked, activity = rows.asked.tolist(), rows.activity.tolist()
    fits = [place[which] in wanted[part] for part, which in zip(asked, activity, strict=True)]
    return np.flatnonzero(np.array(fits, bool))
