"""Which world rank each place of a communicator is: takes the members of all files, gives World."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commscope.readers.files.claims import believed
from commscope.readers.others.told import Communicator, Member
from commscope.trace import ProcessGroup


@dataclass(frozen=True, slots=True)
class World:
    """The communicator that all ranks share, where there is one; places in it are world ranks."""

    name: str | None
    size: int | None

    def place(self, member: Member) -> int | None:
        """The world rank of a member."""
        return next((one.place for one in member.communicators if one.name == self.name), None)

    def groups(self, ranked: Sequence[tuple[int, Member]]) -> tuple[ProcessGroup, ...]:
        """Communicators of which every member is known, or which list their members, by name."""
        places: dict[str, dict[int, int]] = {}
        said: dict[str, Communicator] = {}
        for rank, member in ranked:
            for one in member.communicators:
                said[one.name] = one
                if one.place is not None:
                    places.setdefault(one.name, {})[one.place] = rank
        found = []
        for name, one in sorted(said.items()):
            held = places.get(name, {})
            whole = len(held) == one.size and sorted(held) == list(range(len(held)))
            members = one.members or (tuple(held[place] for place in sorted(held)) if whole else ())
            if members:
                found.append(ProcessGroup(name, one.description, members))
        return tuple(found)


def world_of(members: Sequence[Member]) -> World:
    """The largest communicator in which every member has a place of its own."""
    sizes: dict[str, int] = {}
    places: dict[str, list[int]] = {}
    listed = {rank for member in members for one in member.communicators for rank in one.members}
    for member in members:
        for one in member.communicators:
            sizes[one.name] = one.size
            if one.place is not None:
                places.setdefault(one.name, []).append(one.place)
    shared = [name for name, seen in places.items() if len(seen) == len(set(seen)) == len(members)]
    largest = max((*filter(None, sizes.values()), *(rank + 1 for rank in listed)), default=None)
    chosen = max(shared, key=lambda name: sizes[name], default=None)
    return World(chosen, believed(largest))
