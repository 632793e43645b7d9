"""How many of an instance's members were recorded: takes the rows and their match, gives members of each row.

A wait, a transfer and a bus bandwidth are exact only where every member is there: one that nobody recorded
may have come last. A message has two members, a sender and a receiver.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.analysis.alignment.instance_blocks import RECV, SEND
from commscope.analysis.rows import ABSENT, Rows
from commscope.trace import Int64, Mask


@dataclass(frozen=True, slots=True)
class Completeness:
    """By row; -1 where it cannot be told."""

    members: Int64
    present: Int64  # members that are among the recorded ranks
    is_whole: Mask  # matched, and nobody who takes part is missing


def completeness_of(rows: Rows, instance: Int64, *, all_ranks: bool) -> Completeness:
    """Members and recorded members of each row.

    With `all_ranks` no rank of the world is missing: then who was found is who takes part where no record
    says more.
    """
    matched = instance >= 0
    found = np.bincount(instance[matched])[instance * matched] if matched.any() else np.zeros(len(rows), int)
    found = np.where(matched, found, ABSENT)
    message = np.isin(rows.kind, (SEND, RECV))
    members = np.where(message, 2, np.where(rows.size > 0, rows.size, found if all_ranks else ABSENT))
    ranks = np.unique(rows.rank)
    recorded = np.array([len(np.intersect1d(one, ranks)) for one in rows.member_sets] or [0])
    expected = np.where(rows.members >= 0, recorded[rows.members], rows.size if all_ranks else ABSENT)
    with_peer = np.where(rows.peer >= 0, 1 + np.isin(rows.peer, ranks), ABSENT)
    present = np.where(matched, found, np.where(message, with_peer, expected))
    is_whole = matched & np.where(members > 0, found >= members, all_ranks)
    return Completeness(members, present, is_whole)
