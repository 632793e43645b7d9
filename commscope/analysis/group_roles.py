"""What a group of ranks is for: takes its name or its members, gives a Role, or None where nothing tells.

Process groups are named by programs: Megatron's TENSOR_MODEL_PARALLEL_GROUP, torchtitan's mesh_tp,
DeviceMesh's dp_shard, or plain tp.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from commscope.schema import Collective, Phase, Role
from commscope.trace import ProcessGroup

_PATTERNS = (
    (re.compile(r"TENSOR_AND_(DATA|CONTEXT|PIPELINE)|MODEL_PIPELINE|TENSOR_AND_MODEL|DATA_MODULO"), None),
    (re.compile(r"(?<!POSITION_)EMBEDDING"), Role.EMBEDDING),
    (re.compile(r"EXPERT_DATA"), Role.DP),
    (re.compile(r"EXPERT_TENSOR"), Role.TP),
    (re.compile(r"EXPERT|(^|[_\W])(EP|ETP)([_\W]|$)"), Role.EP),
    (re.compile(r"PIPELINE|(^|[_\W])PP([_\W]|$)"), Role.PP),
    (re.compile(r"DATA_PARALLEL|(^|[_\W])(E?DP|E?FSDP|HSDP|DDP)([_\W]|$)"), Role.DP),
    (re.compile(r"CONTEXT|(^|[_\W])CP([_\W]|$)"), Role.CP),
    (re.compile(r"SEQUENCE|(^|[_\W])SP([_\W]|$)"), Role.SP),
    (re.compile(r"TENSOR|(^|[_\W])TP([_\W]|$)"), Role.TP),
)  # fmt: skip


def group_role(description: str | None) -> Role | None:
    """The axis of parallelism a group's name or description says."""
    if not description:
        return None
    for pattern, role in _PATTERNS:
        if pattern.search(description.upper()):
            return role
    return None


def role_of(said: str | None, description: str | None, collective: str, phase: str | None) -> str | None:
    """What the program said, else by group; what a tensor-parallel group gathers and scatters is SP."""
    if said:
        return said
    role = group_role(description)
    if role == Role.TP and phase != Phase.OPTIMIZER and collective in _SEQUENCE_PARALLEL:
        return Role.SP
    return role


_SEQUENCE_PARALLEL = (Collective.ALL_GATHER, Collective.REDUCE_SCATTER)


def role_by_members(groups: Iterable[ProcessGroup]) -> dict[tuple[int, ...], Role]:
    """Sorted members -> the role, where all groups of these members that name an axis name the same one.

    Groups of torch's fake backend move nothing: DeviceMesh makes them for axes nobody uses.
    """
    found: dict[tuple[int, ...], set[Role]] = {}
    for group in groups:
        role = group_role(group.description) or group_role(group.name)
        if role is not None and len(group.ranks) > 1 and "fake" not in group.backend:
            found.setdefault(tuple(sorted(group.ranks)), set()).add(role)
    return {members: roles.pop() for members, roles in found.items() if len(roles) == 1}
