"""Groups that no record names: takes the joined instance table, gives it with the members matching proved.

Gloo says nothing of process groups. Where every rank of the world was recorded, the ranks on which an
instance was found are the members of its group.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from commscope.analysis.group_roles import role_by_members, role_of
from commscope.schema import Collective, Phase, ring_wire_bytes
from commscope.trace import ProcessGroup


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


def with_roles(instances: pd.DataFrame, groups: Sequence[ProcessGroup]) -> pd.DataFrame:
    """The table with the role of matched collectives whose members are those of one named axis alone.

    Where the default group has the same members, only inside the model: around it that group is as likely.
    """
    roles = role_by_members(groups)
    world = {tuple(sorted(group.ranks)) for group in groups if group.description == DEFAULT_GROUP}
    is_open = instances["role"].isna() & instances["group"].isna() & instances["instance"].notna()
    is_open &= ~instances["is_p2p"] & (instances["collective"] != Collective.BARRIER)
    if not roles or not is_open.any():
        return instances
    # of open rows only: a group of many ranks may stand on every row
    members = instances.loc[is_open, "group_ranks"].map(
        lambda ranks: tuple(sorted(ranks)) if isinstance(ranks, tuple) else ()
    )
    inside = instances.loc[is_open, "phase"].isin(_OF_MODEL)
    members = members[members.isin(list(roles)) & (~members.isin(list(world)) | inside)]
    found = instances.loc[members.index]
    completed = instances.copy()
    completed.loc[members.index, "role"] = [
        str(role_of(None, str(roles[own]), str(kind), phase))
        for own, kind, phase in zip(members, found["collective"], found["phase"], strict=True)
    ]
    return completed


DEFAULT_GROUP = "default_pg"  # torch's own description of it
_OF_MODEL = (Phase.FORWARD, Phase.BACKWARD, Phase.RECOMPUTE)
