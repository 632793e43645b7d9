"""What late ranks spent longer on than those that waited: charges and records -> rows by wait and activity.

Compared are activities of one name, phase and layer. Of each cell only the longest activities are known, so
what the other spent on one that is not among its longest counts as all it may have been: the excess is told
as at least. Names of one kind never sum to more than the late rank had more of that kind: what it took less
of is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.naming.records import Records, Rows, rows_of_ranks
from commscope.analysis.result import Activity
from commscope.analysis.waits import CAUSES, Charges
from commscope.schema import Phase
from commscope.trace import Int64


@dataclass(frozen=True, slots=True)
class Longer:
    """Rows in order of wait, the largest excess of each first."""

    wait: Int64  # row of the charges
    activity: Int64  # among the records' names
    time_ns: Int64  # on the culprit
    more_ns: Int64  # than on the victim, at least

    def of(self, wait: int) -> slice:
        """The rows of one wait."""
        return slice(*np.searchsorted(self.wait, (wait, wait + 1)).tolist())


def longer_of(charges: Charges, chosen: Int64, records: Records) -> Longer:
    """What the culprits of some waits (rows of the charges, in order) spent longer on."""
    rank = (charges.victim[chosen], charges.culprit[chosen])
    since, until = charges.since_ns[chosen], charges.until_ns[chosen]
    other = rows_of_ranks(records, rank[0], since[:, 0], until[:, 0])
    own = rows_of_ranks(records, rank[1], since[:, 1], until[:, 1])
    known = np.isin(rank[0], list(records.of_rank))
    own_ns = np.where(known[own.asked], own.least_ns, 0)
    key, kind = _keys(records.names), _kinds(records.names)
    pair = own.asked * max(len(records.names), 1) + own.activity
    pairs, which = np.unique(pair, return_inverse=True)
    time_ns = np.zeros(len(pairs), np.int64)
    np.add.at(time_ns, which, own_ns)
    asked, activity = np.divmod(pairs, max(len(records.names), 1))
    group = asked * max(len(records.names), 1) + key[activity]
    budget = _budgets(group, time_ns, other, key) - _untold(other, len(chosen))[asked]
    more = _shared(group, time_ns, budget)
    is_first = charges.is_first[chosen][asked]
    limit = charges.excess_ns[chosen][asked, kind[activity]] if len(chosen) else more
    more = np.where(is_first, more, _shared(asked * len(CAUSES) + kind[activity], more, limit))
    kept = np.flatnonzero(more > 0)
    order = kept[np.lexsort((activity[kept], -more[kept], asked[kept]))]
    return Longer(chosen[asked[order]], activity[order], time_ns[order], more[order])


def _budgets(group: Int64, time_ns: Int64, other: Rows, key: Int64) -> Int64:
    """For each row by how much its group took longer than the other's."""
    groups, which = np.unique(group, return_inverse=True)
    total = np.zeros(len(groups), np.int64)
    np.add.at(total, which, time_ns)
    beside = other.asked * max(len(key), 1) + key[other.activity]
    at = np.searchsorted(groups, beside)
    found = np.flatnonzero(at < len(groups))
    found = found[groups[at[found]] == beside[found]]
    np.subtract.at(total, at[found], other.most_ns[found])
    return total[which]


def _untold(other: Rows, count: int) -> Int64:
    """For each wait how long any activity may have taken that is not among those told of the other."""
    total = np.zeros(count, np.int64)
    if len(other.cell):
        last = np.flatnonzero(np.r_[np.diff(other.cell) != 0, True] | np.r_[np.diff(other.asked) != 0, True])
        np.add.at(total, other.asked[last], np.minimum(other.most_ns[last], other.rest_ns[last]))
    return total


def _shared(group: Int64, time_ns: Int64, budget_ns: Int64) -> Int64:
    """What each row of a group gets of the group's budget, no more than its time, the longest first."""
    order = np.lexsort((-time_ns, group))
    before = np.cumsum(time_ns[order]) - time_ns[order]
    first = np.searchsorted(group[order], group[order], "left")
    before = before - before[first] if len(order) else before
    shared = np.empty_like(time_ns)
    shared[order] = np.clip(budget_ns[order] - before, 0, time_ns[order])
    return shared


def _keys(names: tuple[Activity, ...]) -> Int64:
    """A number for each activity; those that are compared have the same."""
    known: dict[tuple[object, ...], int] = {}
    rows = ((one.kind in ("compute", "copy"), one.name, one.phase, one.layer, one.is_python) for one in names)
    return np.array([known.setdefault(row, len(known)) for row in rows], np.int64)


def _kinds(names: tuple[Activity, ...]) -> Int64:
    return np.array([CAUSES.index(kind_of(one)) for one in names], np.int64)


def kind_of(activity: Activity) -> str:
    """The kind of cause an activity counts for; copies behind nothing stand among the idle."""
    if activity.kind == "compute":
        return "recompute" if activity.phase == Phase.RECOMPUTE else "compute"
    return "host_bound" if activity.kind == "host_bound" else "idle"
