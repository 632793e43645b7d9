"""Bytes one rank sends: takes what is known of an instance, gives wire bytes.

The ring model, but for what is known better: a receive sends nothing, and of an all_to_all with recorded
splits a rank sends all but its own share. Splits count rows, so they are scaled to the elements of the input.
"""

from __future__ import annotations

from dataclasses import dataclass

from commscope.schema import POINT_TO_POINT, Collective, ring_wire_bytes


@dataclass(frozen=True, slots=True)
class Splits:
    """What a rank puts into an all_to_all: rows for each member, and all of them in bytes."""

    rows: tuple[int, ...]
    input_bytes: int


def sent_bytes(
    kind: Collective, payload_bytes: int | None, members: tuple[int | None, int | None], splits: Splits | None
) -> int | None:
    """Wire bytes of one rank; None where they cannot be told.

    `members` is the size of the group and the rank's place in it.
    """
    size, place = members
    if splits is not None and kind == Collective.ALL_TO_ALL and min(splits.rows) >= 0 < sum(splits.rows):
        if place is None or place >= len(splits.rows):
            return None
        others = sum(splits.rows) - splits.rows[place]
        return splits.input_bytes * others // sum(splits.rows)
    if payload_bytes is None or kind == Collective.UNKNOWN:
        return None
    if kind in POINT_TO_POINT:
        return 0 if kind == Collective.RECV else payload_bytes
    return None if size is None else ring_wire_bytes(kind, payload_bytes, size)
