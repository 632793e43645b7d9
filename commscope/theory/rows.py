"""Rows of a volume table: VolumeRow, and how rows are multiplied and merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from commscope.schema import Phase, ring_wire_bytes


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """Collectives one rank issues in one step, of one kind, phase, role, group, dtype and payload."""

    phase: str
    collective: str
    role: str
    group: str  # tp | dp
    group_size: int
    dtype: str
    payload_bytes: int  # of one instance
    count: int

    @property
    def total_payload_bytes(self) -> int:
        """Payload of all `count` instances."""
        return self.payload_bytes * self.count

    @property
    def total_wire_bytes(self) -> int:
        """Ring-model bytes one rank sends for all `count` instances."""
        return self.count * ring_wire_bytes(self.collective, self.payload_bytes, self.group_size)


def merged(rows: Iterable[VolumeRow]) -> tuple[VolumeRow, ...]:
    """Rows that differ only in count added up, empty ones dropped, in a fixed order."""
    counts: Counter[VolumeRow] = Counter()
    for row in rows:
        counts[replace(row, count=0)] += row.count
    phases = list(Phase)
    kept = [replace(row, count=count) for row, count in counts.items() if count > 0]
    return tuple(
        sorted(
            kept,
            key=lambda row: (phases.index(Phase(row.phase)), row.collective, row.role, row.payload_bytes),
        )
    )


def times(rows: Iterable[VolumeRow], factor: int) -> list[VolumeRow]:
    """The same rows, each issued `factor` times."""
    return [replace(row, count=row.count * factor) for row in rows]
