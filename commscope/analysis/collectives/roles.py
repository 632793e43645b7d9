"""What a collective is for where its group does not say: takes places and shapes, gives Roles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from commscope.analysis.collectives.facts import Told
from commscope.schema import Collective, Phase, Role


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
