"""What a collective is for: takes the facts of an instance, gives a Role, or None where nothing tells.

Process groups are named by programs: Megatron's TENSOR_MODEL_PARALLEL_GROUP, torchtitan's mesh_tp,
DeviceMesh's dp_shard, or plain tp.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from commscope.analysis.collectives.facts import Told
from commscope.schema import Collective, Phase, Role

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


def roles_by_shape(
    told: Sequence[Told], phases: Sequence[str | None], windows: Sequence[str]
) -> dict[int, Role]:
    """Roles only shapes and places give away, by position in the order of issue.

    A scalar reduced between backward and optimizer is the norm of the gradients. The last reductions of a
    forward, two or three of one small size in float32, are a vocabulary-parallel cross entropy.
    """
    found = {
        i: Role.GRAD_NORM
        for i, (one, phase) in enumerate(zip(told, phases, strict=True))
        if phase == Phase.OTHER and one.collective == Collective.ALL_REDUCE and one.elements == 1
    }
    forward: list[int] = []
    for i, phase in enumerate([*phases, None]):
        if phase == Phase.FORWARD and (not forward or windows[forward[-1]] == windows[i]):
            forward.append(i)
        elif forward:
            found.update(dict.fromkeys(_loss([told[j] for j in forward], forward), Role.LOSS))
            forward = [i] if phase == Phase.FORWARD else []
    return found


def _loss(told: list[Told], positions: list[int]) -> list[int]:
    """Positions of the reductions at the end of one forward that are all alike and small."""
    last = told[-1]
    alike = list(takewhile(lambda i: _same(told[i], last), range(len(told) - 1, -1, -1)))
    largest = max(one.payload_bytes or 0 for one in told)
    is_loss = len(alike) in {2, 3} and last.dtype == "float32" and 4 < (last.payload_bytes or 0) < largest
    return [positions[i] for i in alike] if is_loss and last.collective == Collective.ALL_REDUCE else []


def _same(one: Told, other: Told) -> bool:
    return (one.collective, one.dtype, one.elements) == (other.collective, other.dtype, other.elements)
