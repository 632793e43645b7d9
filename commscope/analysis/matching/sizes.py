"""Sizes and kinds that another member of a matched instance recorded: takes the joined table, completes it.

Only of kinds whose payload is one and the same on all members.
"""

from __future__ import annotations

import pandas as pd

from commscope.schema import POINT_TO_POINT, Collective, ring_wire_bytes

EVEN = (
    Collective.ALL_REDUCE,
    Collective.ALL_GATHER,
    Collective.REDUCE_SCATTER,
    Collective.BROADCAST,
    Collective.REDUCE,
    Collective.SEND,
    Collective.RECV,
)
_SHARED = ("payload_bytes", "elements", "dtype")


def with_sizes(instances: pd.DataFrame) -> pd.DataFrame:
    """The table with payload, elements, dtype, kind and wire bytes that the other members prove."""
    matched, sized = instances["instance"].notna(), instances["payload_bytes"].notna()
    told = instances[matched & sized & instances["collective"].isin(EVEN)]
    donors = told.drop_duplicates("instance").set_index("instance")
    fits = instances["collective"].isin((*EVEN, Collective.UNKNOWN))
    rows = instances.index[matched & ~sized & fits & instances["instance"].isin(donors.index)]
    if not len(rows):
        return instances
    completed = instances.copy()
    donor = donors.loc[completed.loc[rows, "instance"]].set_axis(rows)
    for name in _SHARED:
        completed.loc[rows, name] = donor[name]
    unknown = rows[completed.loc[rows, "collective"] == Collective.UNKNOWN]
    alike = unknown[~donor.loc[unknown, "collective"].isin(POINT_TO_POINT)]
    completed.loc[alike, "collective"] = donor.loc[alike, "collective"]
    columns = (completed.loc[rows, name] for name in ("collective", "payload_bytes", "group_size"))
    wire = [_wire_bytes(*row) for row in zip(*columns, strict=True)]
    completed.loc[rows, "wire_bytes"] = pd.Series(pd.array(wire, dtype="Int64"), index=rows)
    return completed


def _wire_bytes(kind: str, payload_bytes: int, group_size: int | None) -> int | None:
    """What one member sends; None where the size of the group, or the way of a message, is not known."""
    if kind in POINT_TO_POINT:
        return 0 if kind == Collective.RECV else payload_bytes
    if kind == Collective.UNKNOWN or pd.isna(group_size) or group_size is None:
        return None
    return ring_wire_bytes(kind, payload_bytes, group_size)
