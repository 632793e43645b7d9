"""Sorted columns from parts.

Takes blocks of rows in any order, gives Events; shared by readers that hold whole tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from commscope.schema import NO_VALUE
from commscope.trace import CommFacts, Events, Int64, Lane


@dataclass(frozen=True, slots=True)
class Rows:
    """Some events; what is None is NO_VALUE throughout."""

    start_ns: Int64
    end_ns: Int64
    kind: Int64
    name_id: Int64
    lane_id: Int64
    correlation: Int64 | None = None
    external_id: Int64 | None = None
    sequence: Int64 | None = None
    size_bytes: Int64 | None = None
    comm_id: Int64 | None = None


@dataclass(slots=True)
class Tables:
    """Names, lanes and facts, each once."""

    names: dict[str, int] = field(default_factory=dict)
    lanes: dict[Lane, int] = field(default_factory=dict)
    comms: dict[CommFacts, int] = field(default_factory=dict)

    def name(self, text: str) -> int:
        """Number of a name."""
        return self.names.setdefault(text, len(self.names))

    def lane(self, lane: Lane) -> int:
        """Number of a lane."""
        return self.lanes.setdefault(lane, len(self.lanes))

    def comm(self, facts: CommFacts | None) -> int:
        """Number of facts, NO_VALUE for none."""
        return NO_VALUE if facts is None else self.comms.setdefault(facts, len(self.comms))


def assemble(parts: list[Rows], tables: Tables) -> tuple[Events, Int64]:
    """Events sorted by (start_ns, -end_ns), and for each the position it had in `parts` joined."""
    start_ns = _joined([part.start_ns for part in parts])
    end_ns = _joined([part.end_ns for part in parts])
    order = np.lexsort((-end_ns, start_ns))

    def column(name: str) -> Int64:
        pieces = [getattr(part, name) for part in parts]
        filled = [
            np.full(len(part.start_ns), NO_VALUE, dtype=np.int64) if piece is None else piece
            for part, piece in zip(parts, pieces, strict=True)
        ]
        return _joined(filled)[order]

    events = Events(
        start_ns=start_ns[order],
        end_ns=end_ns[order],
        kind=column("kind").astype(np.uint8),
        name_id=column("name_id").astype(np.int32),
        lane_id=column("lane_id").astype(np.int32),
        correlation=column("correlation"),
        external_id=column("external_id"),
        sequence=column("sequence"),
        forward_thread=np.full(len(order), NO_VALUE, dtype=np.int64),
        size_bytes=column("size_bytes"),
        comm_id=column("comm_id").astype(np.int32),
        names=tuple(tables.names),
        lanes=tuple(tables.lanes),
        comms=tuple(tables.comms),
    )
    return events, order.astype(np.int64)


def _joined(pieces: list[Int64]) -> Int64:
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)
