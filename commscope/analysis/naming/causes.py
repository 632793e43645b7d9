"""The causes of stalls by name: charges and records -> for each stall causes that sum to its wait.

A cause's share of a wait goes to the activities of its kind in proportion to how much longer the culprit
spent on each; what they do not explain stays without a name, and so do the smallest waits of many.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from commscope.analysis.naming.longer import kind_of, longer_of
from commscope.analysis.naming.records import Records
from commscope.analysis.result import Activity, Cause
from commscope.analysis.waits import CAUSES, Charges
from commscope.schema import CAPTURE

MOST_WAITS = 2_000  # that are named, the longest
MOST_CAUSES = 12  # of a stall that keep their names
Cell = tuple[str, int, int]  # window, victim, culprit
Named = tuple[str, str | None, int | None, str | None]  # kind, phase, layer, name


def named_causes(charges: Charges, records: Records) -> dict[Cell, tuple[Cause, ...]]:
    """Causes of each stall, the longest first; the window `capture` holds all waits."""
    named = np.sort(np.argsort(-charges.wait_ns, kind="stable")[:MOST_WAITS])
    longer = longer_of(charges, named, records)
    kinds = np.array([CAUSES.index(kind_of(one)) for one in records.names], np.int64)
    kind = kinds[longer.activity]
    whole = np.zeros(charges.shares_ns.shape, np.int64)
    np.add.at(whole, (longer.wait, kind), longer.more_ns)
    whole[:, :-1] = np.maximum(whole[:, :-1], charges.excess_ns)
    part = charges.shares_ns[longer.wait, kind] * longer.more_ns // np.maximum(whole[longer.wait, kind], 1)
    left = charges.shares_ns.copy()
    np.subtract.at(left, (longer.wait, kind), part)
    total: dict[Cell, dict[Named, int]] = defaultdict(lambda: defaultdict(int))
    places = [(one.phase, one.layer, cause_name(one)) for one in records.names]
    for wait, activity, share in zip(
        longer.wait.tolist(), longer.activity.tolist(), part.tolist(), strict=True
    ):
        _add(total, charges, wait, (kind_of(records.names[activity]), *places[activity]), share)
    for wait, number in zip(*(at.tolist() for at in np.nonzero(left)), strict=True):
        _add(total, charges, wait, (CAUSES[number], None, None, None), int(left[wait, number]))
    return {cell: _causes(shares) for cell, shares in total.items()}


def _add(
    total: dict[Cell, dict[Named, int]], charges: Charges, wait: int, named: Named, share_ns: int
) -> None:
    pair = int(charges.victim[wait]), int(charges.culprit[wait])
    for window in {CAPTURE, str(charges.window[wait])}:
        if share_ns:
            total[window, *pair][named] += share_ns


def cause_name(activity: Activity) -> str | None:
    """Operator, kernel, call or frame."""
    if activity.is_python:
        return activity.frame or activity.call or "Python"
    return activity.name


def _causes(shares: dict[Named, int]) -> tuple[Cause, ...]:
    """The longest by name, the others by kind."""
    ordered = sorted(shares.items(), key=lambda item: (-item[1], str(item[0])))
    kept = dict(ordered[:MOST_CAUSES])
    for (kind, *_), share in ordered[MOST_CAUSES:]:
        kept[kind, None, None, None] = kept.get((kind, None, None, None), 0) + share
    ordered = sorted(kept.items(), key=lambda item: (-item[1], str(item[0])))
    return tuple(Cause(*named, share) for named, share in ordered)
