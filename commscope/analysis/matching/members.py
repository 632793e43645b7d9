"""Groups that no record names: takes the joined instance table, gives it with the members matching proved.

Gloo says nothing of process groups. Where every rank of the world was recorded, the ranks on which an
instance was found are the members of its group.
"""

from __future__ import annotations

import pandas as pd

from commscope.schema import Collective, ring_wire_bytes


def with_members(instances: pd.DataFrame) -> pd.DataFrame:
    """The table with size, members and wire bytes of matched collectives whose group was not recorded."""
    open_rows = instances["group_size"].isna() & instances["instance"].notna() & ~instances["is_p2p"]
    if not open_rows.any():
        return instances
    found = instances[open_rows]
    by_instance = {key: tuple(sorted(ranks)) for key, ranks in found.groupby("instance")["rank"]}
    members = found["instance"].map(by_instance)
    whole = members.map(len) > 1
    members = members[whole]
    completed = instances.copy()
    completed.loc[members.index, "group_size"] = members.map(len).astype("Int64")
    completed.loc[members.index, "group_ranks"] = members
    payload = completed.loc[members.index, "payload_bytes"]
    sized = members.index[payload.notna() & (found.loc[members.index, "collective"] != Collective.UNKNOWN)]
    wire = [
        ring_wire_bytes(str(kind), int(size), len(ranks))
        for kind, size, ranks in zip(
            completed.loc[sized, "collective"], payload[sized], members[sized], strict=True
        )
    ]
    completed.loc[sized, "wire_bytes"] = pd.array(wire, dtype="Int64")
    return completed
