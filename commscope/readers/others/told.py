"""What a file of another recorder tells, before it becomes columns: activities of one or several ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from commscope.readers.files.blocks import Damage
from commscope.schema import EventKind, Source
from commscope.trace import CommFacts, Gap, Lane


@dataclass(frozen=True, slots=True)
class Activity:
    """One row of a timeline; times in ns."""

    kind: EventKind
    name: str
    start_ns: int
    end_ns: int
    lane: Lane
    facts: CommFacts | None = None


@dataclass(frozen=True, slots=True)
class Communicator:
    """A communicator as its recorder names it, and the place in it of the rank that wrote the file."""

    name: str
    size: int  # 0: not said
    place: int | None = None  # None: the file does not say
    description: str = ""
    members: tuple[int, ...] = ()  # world ranks by place, where the file lists them


@dataclass(frozen=True, slots=True)
class Member:
    """One rank inside a file."""

    selector: str  # names it inside its file; "" where the file holds one rank only
    activities: tuple[Activity, ...]
    communicators: tuple[Communicator, ...] = ()
    rank: int | None = None  # where the file says the world rank


@dataclass(frozen=True, slots=True)
class Told:
    """A whole file."""

    members: tuple[Member, ...]
    host: str | None = None
    backend: str | None = None
    bad: int = 0  # pieces that were not understood
    gaps: tuple[Gap, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OtherFormat:
    """A format of another recorder: how its files are known, and one file read whole."""

    name: str
    title: str  # as its makers call it
    source: Source
    sniff: Callable[[Path, bytes], bool]  # path and first plain bytes
    tell: Callable[[Path, Damage], Told]  # raises UnreadableTrace
    gaps: tuple[Gap, ...] = ()  # what no file of this format tells
